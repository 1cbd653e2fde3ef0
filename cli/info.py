"""``fermatnet info``."""

import json
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from fermatnet.cli.console import line, results
from fermatnet.cli.kinds import FiniteRange, InputFile, device_choice
from fermatnet.cli.phases import phases

if TYPE_CHECKING:
    from fermatnet.model.network import Network


def _design(
    net: "Network", cycles: int | None, dsps: int | None, device: str, clock_mhz: float
) -> dict[str, Any]:
    """Folds, cycles and predicted resources by layer."""
    from fermatnet.hw.compiler.describe import add_resources, interface
    from fermatnet.hw.compiler.planner import plan
    from fermatnet.hw.resources import layers as resources_layers

    resources_layers.check(device, reloadable=False)
    with phases("info") as phase:
        phase("folding the layers")
        design = plan(net, cycles=cycles, device=device, clock_mhz=clock_mhz, dsps=dsps)
        described = interface(design, net.meta.get("name", "network"), [], clock_mhz, device)
        phase("predicting the resources of the layers")
        add_resources(described, design, device, phase.detail)
    kept = ("cycles_per_image", "latency_cycles", "clock_mhz", "layers", "resources")
    return {key: described[key] for key in kept}


@click.command(name="info")
@click.argument("network", type=InputFile())
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--resources",
    is_flag=True,
    help="Also fold the network as `fermatnet verilog` would and predict LUT, FF, BRAM and DSP of each "
    "layer.",
)
@click.option(
    "--cycles",
    type=click.IntRange(min=1),
    metavar="C",
    help="At most this many cycles an image: engines are compared at it, and with --resources the network is "
    "folded for it.",
)
@click.option(
    "--dsps",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --resources: take at most N hard multipliers (families ecp5 and xc7); beyond them products "
    "are made of LUTs.",
)
@click.option(
    "--device",
    default="ecp5-85k",
    show_default=True,
    type=device_choice(),
    help="With --resources: a device of the families ecp5 and xc7.",
)
@click.option(
    "--clock-mhz",
    default=100.0,
    show_default=True,
    type=FiniteRange(0, 1e5, min_open=True),
    help="With --resources: clock goal, for which arrays are pipelined.",
)
def command(
    network: str,
    as_json: bool,
    resources: bool,
    cycles: int | None,
    dsps: int | None,
    device: str,
    clock_mhz: float,
) -> None:
    """Show what NETWORK (.onnx) holds: layers, engines, bits, operations, memory, bounds and the chosen
    moduli.

    Resources are those of the design that the same --cycles, --dsps, --device and
    --clock-mhz give in `fermatnet verilog`.
    """
    from fermatnet.model.network import load
    from fermatnet.model.network.summary import summary

    net = load(network)
    design = _design(net, cycles, dsps, device, clock_mhz) if resources else None
    info: dict[str, Any] = summary(net, design["cycles_per_image"] if design is not None else cycles)
    if design is not None:
        info["design"] = design
    if as_json:
        print(json.dumps(info, indent=2))
        return
    table = Table(title=f"{network}: {info['input']} -> {info['output']}")
    for column in ("layer", "op", "engine", "output"):
        table.add_column(column)
    for column in ("range", "bits", "MACs", "ACE", "weight bits"):
        table.add_column(column, justify="right")
    for layer in info["layers"]:
        low, high = layer["range"]
        shape = "x".join(map(str, layer["shape"]))
        counts = (f"{layer[key]:,}" for key in ("macs", "ace", "weight_bits"))
        table.add_row(
            layer["name"], layer["op"], layer["engine"], shape, f"{low}..{high}", str(layer["bits"]), *counts
        )
    table.add_section()
    table.add_row("all", *[""] * 5, *(f"{info[key]:,}" for key in ("macs", "ace", "weight_bits")))
    results.print(table)
    if design is not None:
        from fermatnet.cli.resource_table import pipelining, show

        show(design)
        if words := pipelining(design):
            line(words)
    for layer in info["layers"]:
        if layer["reasons"]:
            line(f"{layer['name']}: {layer['reasons']}")
    for key, value in info["meta"].items():
        line(f"{key}: {value}")
