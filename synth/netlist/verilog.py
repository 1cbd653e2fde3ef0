"""A netlist as yosys writes it to JSON, and as Verilog of nothing but instances.

Every module has one wire a bit, named after the signal that yosys kept, as ``\\result[3] ``; ports, instances
and parameters keep their names, so that what watches a generated design watches its netlist too.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.synth.netlist.models import check, models

__all__ = ["Circuit", "read"]

_UNKNOWN = {"0": "1'b0", "1": "1'b1", "x": "1'bx", "z": "1'bz"}


@dataclass
class Circuit:
    """The modules of a netlist by name, in yosys' JSON form, those of the cells left out; ``kinds``: the
    cells' types; ``own``: Verilog of modules that were added to it."""

    family: str
    top: str
    modules: dict[str, dict[str, Any]]
    kinds: set[str]
    own: str = ""

    def cells(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every cell of the vendor's, with the name ``module.cell``."""
        for name, module in self.modules.items():
            for cell, body in module["cells"].items():
                if body["type"] in self.kinds:
                    yield f"{name}.{cell}", body

    def verilog(self) -> str:
        """The netlist's Verilog, without the cells' models."""
        return "\n".join(_module(name, module) for name, module in self.modules.items()) + self.own


def read(path: Path, top: str, family: str, given: Collection[str] = ()) -> Circuit:
    """The netlist below ``top``. `InputError` for a cell that cannot be simulated (see
    `fermatnet.synth.netlist.models.check`). ``given``: types of cells whose models the caller has."""
    everything = json.loads(path.read_text())["modules"]
    modules: dict[str, dict[str, Any]] = {}
    kinds: set[str] = set()
    waiting = [top]
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        modules[name] = everything[name]
        for cell, body in everything[name]["cells"].items():
            kind = body["type"]
            if kind in everything and kind not in models(family) and not _is_library(everything[kind]):
                waiting.append(kind)
            elif kind not in given:
                check(family, kind, body["parameters"], f"{name}.{cell}")
                kinds.add(kind)
    return Circuit(family, top, modules, kinds - {"$scopeinfo"})


def _is_library(module: dict[str, Any]) -> bool:
    return any(key in module["attributes"] for key in ("blackbox", "whitebox"))


def _module(name: str, module: dict[str, Any]) -> str:
    ports, wires = module["ports"], _wires(module)
    heads = [
        f"{port['direction']} [{len(port['bits']) - 1}:0] {_escaped(key)}" for key, port in ports.items()
    ]
    taken = [port["bits"] for port in ports.values() if port["direction"] == "input"]
    inputs = {bit for bits in taken for bit in bits}
    lines = [f"module {_plain(name)} ({', '.join(heads)});"]
    lines += [f"  wire {wire};" for bit, wire in wires.items() if bit not in inputs]
    for key, port in ports.items():
        if port["direction"] == "output":
            lines.append(f"  assign {_escaped(key)} = {_joined(port['bits'], wires)};")
    for number, (key, cell) in enumerate(module["cells"].items()):
        if cell["type"] != "$scopeinfo":
            # names that yosys made up tell nothing and are long
            lines.append(_instance(f"{cell['type']}_{number}" if key.startswith("$") else key, cell, wires))
    return "\n".join([*lines, "endmodule", ""])


def _wires(module: dict[str, Any]) -> dict[int, str]:
    """What stands for each bit: a bit of an input port, or a wire named after the signal."""
    names: dict[int, str] = {}
    for key, net in module["netnames"].items():
        if not net["hide_name"]:
            for place, bit in enumerate(net["bits"]):
                names.setdefault(bit, f"\\{key}[{place}] ")
    for cell in module["cells"].values():  # a bit without a name, or with one that yosys made up
        for bits in cell["connections"].values():
            for bit in bits:
                names.setdefault(bit, f"\\net[{bit}] ")
    for key, port in module["ports"].items():
        if port["direction"] == "input":
            names |= {bit: f"{_escaped(key)}[{place}]" for place, bit in enumerate(port["bits"])}
    return {bit: name for bit, name in names.items() if isinstance(bit, int)}


def _instance(name: str, cell: dict[str, Any], wires: dict[int, str]) -> str:
    values = [f".{_escaped(key)}({_value(value)})" for key, value in cell["parameters"].items()]
    ports = [f".{_escaped(key)}({_joined(bits, wires)})" for key, bits in cell["connections"].items()]
    chosen = f" #({', '.join(values)})" if values else ""
    return f"  {_plain(cell['type'])}{chosen} {_escaped(name)} ({', '.join(ports)});"


def _joined(bits: list[int | str], wires: dict[int, str]) -> str:
    words = [_UNKNOWN[bit] if isinstance(bit, str) else wires[bit] for bit in reversed(bits)]
    return words[0] if len(words) == 1 else f"{{{', '.join(words)}}}"


def _value(value: str) -> str:
    if value and set(value) <= set("01xz"):
        return f"{len(value)}'b{value}"
    return f'"{value[:-1] if value.endswith(" ") else value}"'


def _plain(name: str) -> str:
    """A module's name, as it is where it may be."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else _escaped(name)


def _escaped(name: str) -> str:
    """A name that may hold anything but spaces."""
    return f"\\{name} "
