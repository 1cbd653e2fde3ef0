"""Expands the files of cell models, which say once what a vendor's ports and parameters say a hundred times.

=============================  ====================================================
``@each A B@ ... @end@``       the text in between once for each word, which is ``%``
``@bits DI 18@``               ``DI0, DI1, ..., DI17``
``@word DI 18@``               ``{DI17, ..., DI1, DI0}``
``@parameters I_ 2 64 256@``   64 parameters, I_00 to I_3F, of 256 bits, zero
``@contents I_ 2 64@``         ``{I_3F, ..., I_00}``
``@table O INIT I 3@``         O is the bit of INIT that I0 to I2 select
``@table O INIT A B C@``       the same with other names
``@first CLR@``                ``C``
``@power 5@``                  ``32``
``@comma@``                    a comma, but after the last word of an ``@each``
=============================  ====================================================

Blocks do not nest. A number may be a product and quotient in brackets, as ``(36/18*64)``.
"""

import re
from collections.abc import Callable

__all__ = ["expand"]

_EACH = re.compile(r"@each ([^@]*)@(.*?)@end@", re.DOTALL)
_CALL = re.compile(r"@(\w+)((?: [^ @]+)+)@")


def expand(text: str) -> str:
    """The Verilog that a file of models stands for."""
    return _CALL.sub(lambda call: _CALLS[call[1]](*call[2].split()), _EACH.sub(_each, text))


def _each(block: re.Match[str]) -> str:
    words = block[1].split()
    commas = [","] * (len(words) - 1) + [""]
    pairs = zip(words, commas, strict=True)
    return "".join(block[2].replace("%", word).replace("@comma@", comma) for word, comma in pairs)


def _number(text: str) -> int:
    """``64``, or ``(36/18*64)``."""
    value, operator = 1, "*"
    for part in re.split(r"([*/])", text.strip("()")):
        if part in ("*", "/"):
            operator = part
        else:
            value = value * int(part) if operator == "*" else value // int(part)
    return value


def _bits(name: str, count: str) -> str:
    return ", ".join(f"{name}{at}" for at in range(_number(count)))


def _word(name: str, count: str) -> str:
    return "{" + ", ".join(f"{name}{at}" for at in reversed(range(_number(count)))) + "}"


def _names(prefix: str, digits: str, count: str) -> list[str]:
    return [f"{prefix}{at:0{digits}X}" for at in range(_number(count))]


def _parameters(prefix: str, digits: str, count: str, width: str) -> str:
    names = _names(prefix, digits, count)
    return "\n    ".join(f"parameter [{int(width) - 1}:0] {name} = 0;" for name in names)


def _contents(prefix: str, digits: str, count: str) -> str:
    return "{" + ", ".join(reversed(_names(prefix, digits, count))) + "}"


def _table(out: str, contents: str, *inputs: str) -> str:
    """A table for simulators of two values; for others a multiplexer by input, so that an unknown input that
    decides nothing leaves the output known."""
    if len(inputs) == 2:
        inputs = tuple(f"{inputs[0]}{at}" for at in range(int(inputs[1])))
    count = len(inputs)
    lines = [
        "`ifdef VERILATOR",
        f"    assign {out} = {contents}[{{{', '.join(reversed(inputs))}}}];",
        "`else",
    ]
    lines.append(f"    wire [{(1 << count) - 1}:0] at_{count} = {contents};")
    for at in reversed(range(count)):
        half, above = 1 << at, f"at_{at + 1}"
        choice = f"{inputs[at]} ? {above}[{2 * half - 1}:{half}] : {above}[{half - 1}:0]"
        lines.append(f"    wire [{half - 1}:0] at_{at} = {choice};")
    return "\n".join([*lines, f"    assign {out} = at_0;", "`endif"])


_CALLS: dict[str, Callable[..., str]] = {
    "bits": _bits,
    "word": _word,
    "parameters": _parameters,
    "contents": _contents,
    "table": _table,
    "first": lambda word: word[0],
    "power": lambda number: str(1 << int(number)),
}
