"""``fermatnet verilog``."""

import click

from fermatnet.cli.console import line
from fermatnet.cli.kinds import FiniteRange, InputFile, OutputDirectory, device_choice, judge
from fermatnet.cli.phases import phases


@click.command(name="verilog")
@click.argument("network", type=InputFile())
@click.option(
    "--out",
    required=True,
    type=OutputDirectory(),
    metavar="DIR",
    help="Folder to write; must not exist or be empty.",
)
@click.option(
    "--fps",
    type=FiniteRange(0, 1e12, min_open=True),
    metavar="F",
    help="Goal: images per second at --clock-mhz.",
)
@click.option(
    "--cycles", type=click.IntRange(min=1), metavar="C", help="Goal: at most this many cycles an image."
)
@click.option(
    "--luts",
    type=click.IntRange(min=1),
    metavar="L",
    help="Goal: the fastest design predicted to take at most L LUTs (ice40, asic, --reloadable: by a rough "
    "formula).",
)
@click.option(
    "--clock-mhz",
    default=100.0,
    show_default=True,
    type=FiniteRange(0, 1e5, min_open=True),
    help="Clock goal: arrays and trees of counters get as many registers as it asks for.",
)
@click.option(
    "--dsps",
    type=click.IntRange(min=0),
    metavar="N",
    help="Take at most N hard multipliers (families ecp5 and xc7); beyond them products are made of LUTs.",
)
@click.option(
    "--device",
    type=device_choice(),
    help="Device the design is meant for, with cells of its family where that has some; without one plain "
    "Verilog for any, sized for an ecp5-85k.",
)
@click.option(
    "--target",
    type=click.Choice(["plain", "ecp5"]),
    help="Plain Verilog, or with cells of a family by name, whatever --device says.",
)
@click.option("--per-layer", is_flag=True, help="One Verilog file for each layer beside the top's.")
@click.option(
    "--name",
    default="fermatnet",
    show_default=True,
    help="Top module; begins the name of every module and memory file.",
)
@click.option(
    "--tlast",
    type=click.Choice(["check", "ignore"]),
    default="check",
    show_default=True,
    help="Drop or mark images whose s_axis_tlast is on the wrong beat, and count them; or only count beats.",
)
@click.option(
    "--frame-buffer",
    is_flag=True,
    help="Store each image whole before it enters; takes block RAM for two images.",
)
@click.option(
    "--tdata-width",
    default="auto",
    show_default=True,
    metavar="W",
    help="Bits of tdata: auto, as many as the lanes take; padded, the next 8, 16, 32, ...; or that many on "
    "both sides.",
)
@click.option(
    "--tkeep",
    is_flag=True,
    help="Add s_axis_tkeep and m_axis_tkeep: a bit a byte, 0 for bytes that only fill up tdata.",
)
@click.option(
    "--reloadable", is_flag=True, help="Add a port that loads new weights at run time, guarded by a checksum."
)
@click.option(
    "--resources",
    is_flag=True,
    help="Predict LUT, FF, BRAM and DSP of each layer (families ecp5 and xc7); seconds for a large network.",
)
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def command(
    network: str,
    out: str,
    fps: float | None,
    cycles: int | None,
    luts: int | None,
    clock_mhz: float,
    dsps: int | None,
    device: str | None,
    target: str | None,
    per_layer: bool,
    reloadable: bool,
    resources: bool,
    force: bool,
    name: str,
    tlast: str,
    frame_buffer: bool,
    tdata_width: str,
    tkeep: bool,
) -> None:
    """Generate a streaming accelerator for NETWORK (.onnx): Verilog, memory files, interface.json, a FuseSoC
    core.

    At the edge: AXI4-Stream s_axis_*, m_axis_*, one clock clk, one synchronous reset rst. Give at most one of
    --fps, --cycles and --luts; without one the fastest design predicted to take half the device is made. The
    same file and options give byte-identical Verilog.
    """
    if sum(goal is not None for goal in (fps, cycles, luts)) > 1:
        raise click.UsageError("give at most one of --fps, --cycles and --luts")
    judge(out, network, force=force)
    from fermatnet.hw.compiler.generate import DEVICE, generate
    from fermatnet.hw.resources.layers import check
    from fermatnet.model.network import load

    if resources:
        check(device or DEVICE, reloadable)
    with phases("verilog") as phase:
        phase("reading the network")
        interface = generate(
            load(network),
            out,
            fps=fps,
            cycles=cycles,
            luts=luts,
            clock_mhz=clock_mhz,
            dsps=dsps,
            device=device,
            reloadable=reloadable,
            force=force,
            resources=resources,
            name=name,
            tlast=tlast,
            frame_buffer=frame_buffer,
            tdata_width=tdata_width,
            tkeep=tkeep,
            target=target or "auto",
            per_layer=per_layer,
            progress=phase,
        )
    if interface["vendor_cells"]:
        cells = ", ".join(interface["vendor_cells"])
        line(f"cells of {interface['target']} by name: {cells}; --target plain is without")
    if "resources" in interface and not resources:
        taken = interface["resources"]["total"]["luts"]
        line(f"predicted: {taken:,} LUTs on {interface['device']}, {luts:,} were allowed")
    from fermatnet.cli.resource_table import pipelining, show

    if resources:
        show(interface)
    if words := pipelining(interface):
        line(words)
    period = interface["cycles_per_image"]
    rate = clock_mhz * 1e6 / period
    line(
        f"{out}: {period} cycles an image, latency {interface['latency_cycles']} cycles; {rate:,.0f} "
        f"images/s at {clock_mhz:g} MHz"
    )
