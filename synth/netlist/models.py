"""Simulation models of the vendors' cells: which there are, what each knows, and those that a netlist needs.

The models stand in ``cells``, a file or two a family, written from the vendors' documents in the small part
of Verilog that Verilator, Icarus and yosys read alike. A model may know only some values of a parameter; a
netlist with others is refused, because a wrong model would be worse than none.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from fermatnet.model.errors import InputError
from fermatnet.synth.netlist.template import expand

__all__ = ["FAMILIES", "Model", "check", "models", "text"]

FAMILIES = {
    "ecp5": ("ecp5.v.txt",),
    "ice40": ("ice40.v.txt",),
    "xc7": ("xc7.v.txt", "xc7_blocks.v.txt"),
}
"""Families with models, and the files that hold them."""

_MODULE = re.compile(r"^module (\w+).*?^endmodule\n", re.MULTILINE | re.DOTALL)
_ONLY = re.compile(r"^ *// only (\w+) = (.*)$", re.MULTILINE)
_IGNORED = {"$scopeinfo"}  # yosys notes where hierarchy was; no hardware


@dataclass(frozen=True)
class Model:
    """A cell: its Verilog ``text``, the parameter values that it ``knows`` where it does not know all, and
    the models it ``uses``."""

    name: str
    text: str
    knows: dict[str, tuple[str, ...]]
    uses: tuple[str, ...]


@functools.cache
def models(family: str) -> dict[str, Model]:
    """All models of a family by the cell's name; `InputError` for a family without any."""
    if family not in FAMILIES:
        raise InputError(
            f"there are no simulation models for the cells of {family}; a netlist is simulated for a device "
            f"of {', '.join(FAMILIES)}"
        )
    folder = resources.files("fermatnet.synth.netlist") / "cells"
    whole = expand("".join((folder / file).read_text() for file in FAMILIES[family]))
    texts = {match[1]: match[0] for match in _MODULE.finditer(whole)}
    return {name: _model(name, body, set(texts)) for name, body in texts.items()}


def _model(name: str, body: str, names: set[str]) -> Model:
    knows = {parameter: tuple(values.split()) for parameter, values in _ONLY.findall(body)}
    return Model(name, body, knows, tuple(sorted((names - {name}) & set(re.findall(r"\w+", body)))))


def check(family: str, kind: str, parameters: dict[str, str], cell: str) -> None:
    """`InputError`, in one line that names the ``cell``, where its ``kind`` has no model or a parameter has a
    value that the model does not know. ``parameters``: as yosys writes them, bits or words."""
    if kind in _IGNORED:
        return
    model = models(family).get(kind)
    if model is None:
        raise InputError(
            f"cell {cell} is a {kind}, for which there is no simulation model; {family} has models of "
            f"{', '.join(name for name in models(family) if name[0].isupper())}"
        )
    for name, known in model.knows.items():
        if name in parameters and plain(parameters[name]) not in known:
            raise InputError(
                f"cell {cell} is a {kind} with {name} = {plain(parameters[name])}; its model knows "
                f"only {' and '.join(known)}"
            )


def plain(value: str) -> str:
    """A parameter's value: a number where yosys wrote bits, else the word (which ends in a space where it
    could be taken for bits)."""
    return str(int(value, 2)) if re.fullmatch("[01]+", value) else value.rstrip(" ")


def text(family: str, kinds: Iterable[str]) -> str:
    """Verilog of the models of ``kinds`` and of those that they use, each once."""
    known, wanted, open_ = models(family), set[str](), set(kinds) - _IGNORED
    while open_:
        kind = open_.pop()
        wanted.add(kind)
        open_ |= set(known[kind].uses) - wanted
    return "\n".join(known[kind].text for kind in sorted(wanted))
