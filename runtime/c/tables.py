"""Constant tables of the generated C: each distinct content once, with its bytes counted for the layer that
asked for it."""

from collections import Counter

import numpy as np

from fermatnet.runtime.c.storage import ctype, width_of

__all__ = ["Tables"]

COLUMNS = 100  # characters a line of a table is filled to


def _rows(numbers: list[str]) -> list[str]:
    lines, line = [], ""
    for number in numbers:
        if line and len(line) + len(number) > COLUMNS:
            lines.append(line.rstrip())
            line = ""
        line += number + ", "
    return [*lines, line.rstrip().rstrip(",")]


def _literal(value: int, element: str) -> str:
    if element == "uint32_t":
        return f"0x{value:08x}u"
    if element == "int32_t":
        return "(-INT32_C(2147483647) - 1)" if value == -(1 << 31) else f"INT32_C({value})"
    if element in ("int64_t", "uint64_t"):
        return "(-INT64_C(9223372036854775807) - 1)" if value == -(1 << 63) else f"INT64_C({value})"
    return str(value)


class Tables:
    """Tables in the order in which they were asked for.

    Attributes
    ----------
    bytes : Counter
        Bytes of constants by layer; a table that several layers share counts for the first.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], str] = {}
        self._text: list[str] = []
        self.bytes: Counter[str] = Counter()

    def add(self, layer: str, word: str, values: np.ndarray, element: str = "") -> str:
        """The identifier of a constant array of ``values`` (int64, any shape); ``element``: its C type, the
        narrowest if ''."""
        flat = np.asarray(values).astype(np.int64).ravel()
        element = element or ctype(int(flat.min()), int(flat.max()))
        key = (element, flat.tobytes())
        if key not in self._known:
            name = f"{word}{len(self._known)}"
            self._known[key] = name
            self.bytes[layer] += flat.size * width_of(element)
            numbers = [_literal(int(value), element) for value in flat]
            self._text += [
                f"static const {element} {name}[{flat.size}] = {{",
                *(f"    {row}" for row in _rows(numbers)),
                "};",
                "",
            ]
        return self._known[key]

    @property
    def total(self) -> int:
        """Bytes of all tables."""
        return sum(self.bytes.values())

    def text(self) -> str:
        """C source of all tables."""
        return "\n".join(self._text)
