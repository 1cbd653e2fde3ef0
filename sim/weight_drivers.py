"""What a design needs around it besides its two streams: memories that bring weights, and what loads other
ones."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.hw.compiler.interface import edge_ports

__all__ = ["REFUSED", "TOP", "module", "needed", "sources", "write"]

TOP = "fermatnet_surrounded"
SEED, BURST, REFUSED = "feed_seed.hex", "burst.hex", "load_refused"  # as in feed.v and burst.v


def needed(interface: dict[str, Any]) -> bool:
    """Whether the design has more ports than a clock, a reset and two streams."""
    return bool(interface.get("external") or interface.get("reload"))


def module(interface: dict[str, Any]) -> str:
    """Verilog of `TOP`: the two streams as the design has them, everything else connected inside."""
    sides = (("input", "s_axis", "input", "output"), ("output", "m_axis", "output", "input"))
    ports, links, parts = ["input wire clk", "input wire rst"], [".clk(clk)", ".rst(rst)"], []
    for key, name, along, against in sides:
        ports += [
            f"{along} wire [{interface[key]['tdata_bits'] - 1}:0] {name}_tdata",
            f"{along} wire {name}_tvalid",
            f"{along} wire {name}_tlast",
            f"{against} wire {name}_tready",
        ]
        links += [f".{name}_{signal}({name}_{signal})" for signal in ("tdata", "tlast")]
    for along, name, bits in edge_ports(interface):
        ports.append(f"{along} wire [{bits - 1}:0] {name}")
        links.append(f".{name}({name})")
    links += [
        ".m_axis_tvalid(m_axis_tvalid)",
        ".m_axis_tready(m_axis_tready)",
        ".s_axis_tvalid(s_axis_tvalid && loaded)",
        ".s_axis_tready(takes)",
    ]
    parts += ["    wire loaded, takes;", "    assign s_axis_tready = takes && loaded;"]
    for feed in interface.get("external", ()):
        name, bits = feed["port"], feed["tdata_bits"]
        parts += [
            f"    wire [{bits - 1}:0] {name}_tdata;",
            f"    wire {name}_tvalid, {name}_tready;",
            f"    fermatnet_feed #(.WIDTH({feed['width']}), .BITS({bits}), .WORDS({feed['words']}), "
            f'.FILE("{feed["file"]}")) {name} (',
            f"        .clk(clk), .rst(rst), .tdata({name}_tdata), .tvalid({name}_tvalid), "
            f".tready({name}_tready)",
            "    );",
        ]
        links += [f".{name}_{signal}({name}_{signal})" for signal in ("tdata", "tvalid", "tready")]
    if "reload" in interface:
        load, signals = interface["reload"]["port"], ("tdata", "tvalid", "tlast", "tready")
        parts += [
            "    wire [31:0] load_tdata;",
            "    wire load_tvalid, load_tlast, load_tready, load_ok, load_error;",
            "    fermatnet_burst burst (",
            "        .clk(clk), .rst(rst), .ok(load_ok), .error(load_error), .done(loaded),",
            "        " + ", ".join(f".{signal}(load_{signal})" for signal in signals),
            "    );",
        ]
        links += [
            *(f".{load}_{signal}(load_{signal})" for signal in signals),
            ".load_ok(load_ok)",
            ".load_error(load_error)",
        ]
    else:
        parts.append("    assign loaded = 1;")
    head = f"module {TOP} (\n    " + ",\n    ".join(ports) + "\n);"
    return "\n".join(
        [
            head,
            *parts,
            f"    {interface['top']} dut (",
            "        " + ", ".join(links),
            "    );",
            "endmodule",
            "",
        ]
    )


def sources(interface: dict[str, Any]) -> dict[str, str]:
    """Verilog by file name, to be compiled with the design."""
    return {
        "surroundings.v": module(interface),
        **{name: (resources.files("fermatnet.sim") / name).read_text() for name in ("feed.v", "burst.v")},
    }


def write(
    scratch: Path, directory: Path, interface: dict[str, Any], stalls: int | None, load: Sequence[int] = ()
) -> None:
    """The files that are read when the simulation starts; ``load``: words for the load port."""
    for feed in interface.get("external", ()):
        (scratch / feed["file"]).write_text((directory / feed["file"]).read_text())
    seed = 0 if stalls is None else int(np.random.default_rng([stalls, 1]).integers(1, 1 << 32))
    (scratch / SEED).write_text(f"{seed:x}\n")
    (scratch / BURST).write_text("".join(f"{word:x}\n" for word in (len(load), *load)))
