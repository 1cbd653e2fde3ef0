"""Reads what the reports need from a Liberty cell library: areas, leakage, input capacitances, units."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fermatnet.model.errors import InputError

__all__ = ["Cell", "Group", "Library", "avoided", "read", "text_of"]

SPECIAL = re.compile(r"lpflow|probe|macro_sparecell")
PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


@dataclass(frozen=True)
class Cell:
    """Area in the library's units (square micrometres as a rule), leakage in watts, input capacitance in
    farads a pin."""

    area: float
    leakage: float
    capacitances: dict[str, float]
    sequential: bool


@dataclass(frozen=True)
class Library:
    """A cell library: name, supply voltage, cells by name, units of time (seconds) and load (farads), and the
    whole text parsed."""

    name: str
    voltage: float
    cells: dict[str, Cell]
    seconds: float
    farads: float
    group: "Group"


@dataclass
class Group:
    """A Liberty group ``kind (argument) { ... }`` with its simple attributes and the groups inside."""

    kind: str
    argument: str
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)


def read(path: Path) -> Library:
    """The library in the Liberty file ``path``; `InputError` when there is none, or no cells in it."""
    text = text_of(path)
    root = Group("", "")
    _parse(_tokens(re.sub(r"/\*.*?\*/", " ", text, flags=re.S)), root)
    library = next((group for group in root.groups if group.kind == "library"), None)
    if library is None:
        raise InputError(f"{path} is not a Liberty file: it has no library group")
    # units: 1 nW, 1 pF and 1 ns where a library says nothing
    power = _unit(library.attributes.get("leakage_power_unit", "1nW"), "W")
    capacitance = library.attributes.get("capacitive_load_unit", "1,pf").split(",")
    farads = float(capacitance[0]) * PREFIX.get(capacitance[-1].strip().lower()[:1], 1e-12)
    cells = {group.argument: _cell(group, power, farads) for group in library.groups if group.kind == "cell"}
    if not cells:
        raise InputError(f"{path} holds no cells")
    seconds = _unit(library.attributes.get("time_unit", "1ns"), "s")
    return Library(
        library.argument, _number(library.attributes.get("nom_voltage", "0")), cells, seconds, farads, library
    )


def text_of(path: Path) -> str:
    """The text of a Liberty file, plain or compressed by gzip; `InputError` where it cannot be read."""
    try:
        held = Path(path).read_bytes()
        if held.startswith(b"\x1f\x8b"):
            held = gzip.decompress(held)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return held.decode(errors="replace")


def avoided(library: Library) -> list[str]:
    """Cells that a mapper must not take: those that the library marks ``dont_use``, and sky130's cells for
    probes, spares and power domains, which look like ordinary gates."""
    cells = (group for group in library.group.groups if group.kind == "cell")
    return sorted(
        cell.argument
        for cell in cells
        if cell.attributes.get("dont_use") == "true" or SPECIAL.search(cell.argument)
    )


def _cell(group: Group, power: float, farads: float) -> Cell:
    pins = {
        pin.argument: _number(pin.attributes.get("capacitance", "0")) * farads
        for pin in group.groups
        if pin.kind == "pin" and pin.attributes.get("direction") == "input"
    }
    sequential = any(inner.kind in ("ff", "latch") for inner in group.groups)
    leakage = _number(group.attributes.get("cell_leakage_power", "0")) * power
    return Cell(_number(group.attributes.get("area", "0")), leakage, pins, sequential)


def _tokens(text: str) -> Iterator[str]:
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}();:,]|[^\s{}();:,"]+', text, flags=re.S):
        yield match[0]


def _parse(tokens: Iterator[str], group: Group) -> None:
    """Fills ``group`` until its closing brace; iterative, since libraries nest but their files are long."""
    stack, words = [group], []
    arguments: list[str] | None = None
    for token in tokens:
        if token == "(":
            arguments = []
        elif token == ")":
            words.append(" ".join(arguments or []).strip())
            arguments = None
        elif arguments is not None:
            arguments.append(token.strip('"'))
        elif token == "{":
            inner = Group(words[0] if words else "", words[1].strip() if len(words) > 1 else "")
            stack[-1].groups.append(inner)
            stack.append(inner)
            words = []
        elif token == "}":
            if len(stack) > 1:
                stack.pop()
            words = []
        elif token == ";":
            if len(words) >= 2:
                stack[-1].attributes[words[0]] = " ".join(words[1:])
            words = []
        elif token not in (":", ","):
            words.append(token.strip('"'))


def _number(text: str) -> float:
    try:
        return float(text.split()[0])
    except (ValueError, IndexError):
        return 0.0


def _unit(text: str, base: str) -> float:
    found = re.match(r"\s*([\d.]+)\s*([a-zA-Z]?)" + base, text)
    return float(found[1]) * PREFIX.get(found[2].lower() if found[2] != "M" else "", 1e-9) if found else 1e-9
