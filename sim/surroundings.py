"""What a design needs around it besides its two streams: memories that bring weights, and a load port at rest."""

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["TOP", "module", "needed", "sources", "write"]

TOP = "fermatnet_surrounded"
SEED = "feed_seed.hex"


def needed(interface: dict[str, Any]) -> bool:
    """Whether the design has more ports than a clock, a reset and two streams."""
    return bool(interface.get("external") or interface.get("reload"))


def module(interface: dict[str, Any]) -> str:
    """Verilog of `TOP`: the two streams as the design has them, everything else connected inside."""
    sides = (("input", "s_axis", "input", "output"), ("output", "m_axis", "output", "input"))
    ports, links, parts = ["input wire clk", "input wire rst"], [".clk(clk)", ".rst(rst)"], []
    for key, name, along, against in sides:
        ports += [f"{along} wire [{interface[key]['tdata_bits'] - 1}:0] {name}_tdata", f"{along} wire {name}_tvalid",
                  f"{along} wire {name}_tlast", f"{against} wire {name}_tready"]
        links += [f".{name}_{signal}({name}_{signal})" for signal in ("tdata", "tvalid", "tlast", "tready")]
    for feed in interface.get("external", ()):
        name, bits = feed["port"], feed["tdata_bits"]
        parts += [f"    wire [{bits - 1}:0] {name}_tdata;", f"    wire {name}_tvalid, {name}_tready;",
                  f'    fermatnet_feed #(.WIDTH({feed["width"]}), .BITS({bits}), .WORDS({feed["words"]}), .FILE("{feed["file"]}")) {name} (',
                  f"        .clk(clk), .rst(rst), .tdata({name}_tdata), .tvalid({name}_tvalid), .tready({name}_tready)", "    );"]
        links += [f".{name}_{signal}({name}_{signal})" for signal in ("tdata", "tvalid", "tready")]
    if "reload" in interface:
        load = interface["reload"]["port"]
        links += [f".{load}_tdata({interface['reload']['tdata_bits']}'d0)", f".{load}_tvalid(1'b0)", f".{load}_tlast(1'b0)"]
    head = f"module {TOP} (\n    " + ",\n    ".join(ports) + "\n);"
    return "\n".join([head, *parts, f"    {interface['top']} dut (", "        " + ", ".join(links), "    );", "endmodule", ""])


def sources(interface: dict[str, Any]) -> dict[str, str]:
    """Verilog by file name, to be compiled with the design."""
    return {"surroundings.v": module(interface), "feed.v": (resources.files("fermatnet.sim") / "feed.v").read_text()}


def write(scratch: Path, directory: Path, interface: dict[str, Any], stalls: int | None) -> None:
    """The files that the memories read when the simulation starts."""
    for feed in interface.get("external", ()):
        (scratch / feed["file"]).write_text((directory / feed["file"]).read_text())
    seed = 0 if stalls is None else int(np.random.default_rng([stalls, 1]).integers(1, 1 << 32))
    (scratch / SEED).write_text(f"{seed:x}\n")
