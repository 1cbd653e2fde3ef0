"""Stand-alone IP: the registry of blocks that ``fermatnet ip`` generates, one Verilog file and one
interface.json each."""

import json
from pathlib import Path
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import wiring

from fermatnet.hw.ip import fermat, matrix, piecewise
from fermatnet.hw.ip.block import Block
from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError

__all__ = ["blocks", "generate", "ports"]


def blocks() -> dict[str, Block]:
    """Every block by name, from the engines' own lists: what it is, its options with their defaults and
    limits, and ``build``, which raises InputError for what the block cannot be."""
    return {**fermat.BLOCKS, **piecewise.BLOCKS, **matrix.BLOCKS}


def _ports(component: wiring.Component) -> list[dict[str, Any]]:
    ports = [
        {"name": "clk", "direction": "in", "width": 1, "signed": False},
        {"name": "rst", "direction": "in", "width": 1, "signed": False},
    ]
    for path, member, _value in component.signature.flatten(component):
        shape = Shape.cast(member.shape)
        name = "__".join(str(part) for part in path)
        direction = "in" if member.flow == wiring.In else "out"
        ports.append({"name": name, "direction": direction, "width": shape.width, "signed": shape.signed})
    return ports


def generate(name: str, directory: Path, **options: Any) -> dict[str, Any]:
    """Writes ``name.v``, its memory files and ``interface.json`` into an existing directory; returns the
    interface.

    Raises InputError for an unknown block or option and for parameters that the block refuses.
    """
    known = blocks()
    if name not in known:
        raise InputError(f"unknown block {name!r}: choose from {', '.join(sorted(known))}")
    block = known[name]
    settings = {option.name: option.default for option in block.options}
    for key, value in options.items():
        if key not in settings:
            raise InputError(f"block {name} has no option {key!r}: it has {', '.join(settings) or 'none'}")
        settings[key] = value
    # beyond these no block can be generated in any time, and no tool would take it
    for option in block.options:
        if option.type is int and settings[option.name] > option.most:
            raise InputError(
                f"{name}: {option.name} must be at most {option.most}, not {settings[option.name]}"
            )
    try:
        component = block.build(**settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}") from error
    emitted = verilog.emit(component, name)
    interface = {
        "format": 1,
        "name": name,
        "top": name,
        "help": block.help,
        "options": settings,
        "clock": "clk",
        "reset": "rst",
        "files": {"verilog": [f"{name}.v"], "memories": list(emitted.memories)},
        "ports": ports(component, emitted.verilog, name),
        "latency_cycles": getattr(component, "latency", None),
        "cycles": getattr(component, "cycles", None),
    }
    emitted.write(directory)
    (directory / "interface.json").write_text(json.dumps(interface, indent=2) + "\n")
    return interface


def ports(component: wiring.Component, text: str, name: str) -> list[dict[str, Any]]:
    """Name, direction, width and signedness of every port that top module ``name`` of the generated ``text``
    declares.

    Combinational blocks have no clock, so the text decides.
    """
    start = text.rindex(f"module {name}(")
    header = (
        text[start : text.index(";", start)].replace("(", " ").replace(")", " ").replace(",", " ").split()
    )
    return [port for port in _ports(component) if port["name"] in header]
