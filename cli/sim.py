"""``fermatnet sim``."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from fermatnet.cli.arrays import load_samples, results_file
from fermatnet.cli.console import line, share
from fermatnet.cli.kinds import SEED, InputDirectory, InputFile, OutputFile, device_choice
from fermatnet.cli.phases import phases
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import apart


@click.command(name="sim")
@click.argument("network", type=InputFile())
@click.option(
    "--input",
    "source",
    required=True,
    type=InputFile(),
    metavar="X.npy",
    help="Images (n, C, H, W) or vectors (n, K), of the network's input type; .npz for several inputs, one "
    "array a name.",
)
@click.option(
    "--output",
    "target",
    required=True,
    type=OutputFile(),
    metavar="Y.npy",
    help="Where the simulated outputs go: int64, shape (n, K); .npz for several outputs, one array a name.",
)
@click.option(
    "--simulator", type=click.Choice(["verilator", "icarus"]), default="verilator", show_default=True
)
@click.option("--stalls", type=SEED, metavar="SEED", help="Random stalls on both sides, from this seed.")
@click.option("--waves", type=OutputFile(".fst", ".vcd"), metavar="FILE", help="Write waveforms (FST).")
@click.option(
    "--verilog",
    "directory",
    type=InputDirectory("interface.json", "no generated design"),
    metavar="DIR",
    help="Simulate this folder of `fermatnet verilog` instead of generating one.",
)
@click.option(
    "--load",
    "loads",
    is_flag=True,
    help="First load NETWORK's weights into the design in --verilog (made with --reloadable).",
)
@click.option(
    "--layers",
    "watched",
    is_flag=True,
    help="Also compare every layer's stream with the reference, and name the first that differs.",
)
@click.option(
    "--netlist",
    is_flag=True,
    help="Simulate what yosys makes of the design, cells of --device's family with models of this project's; "
    "families ecp5, ice40 and xc7.",
)
@click.option(
    "--device",
    type=device_choice(),
    help="Device that the design is generated for and --netlist is made for.  [default: that of --verilog, "
    "else ecp5-85k]",
)
@click.option(
    "--expect",
    type=InputFile(),
    metavar="Y.npy",
    help="Compare with these outputs instead of the reference's.",
)
def command(
    network: str,
    source: str,
    target: str,
    simulator: str,
    stalls: int | None,
    waves: str | None,
    directory: str | None,
    loads: bool,
    watched: bool,
    netlist: bool,
    device: str | None,
    expect: str | None,
) -> int:
    """Simulate NETWORK's Verilog through its AXI4-Stream ports and compare every output with the bit-exact
    reference.

    Exit status 1, naming the image and the logit, when one integer differs.
    """
    apart([network, source, expect], [target, waves])
    from fermatnet.hw.compiler.interface import read_interface, stream_ports
    from fermatnet.model.network import load, run
    from fermatnet.model.network.reference import check_images
    from fermatnet.sim.network import compare, simulate
    from fermatnet.sim.runner import SimulationError
    from fermatnet.sim.several import simulate_several
    from fermatnet.sim.taps import first_difference
    from fermatnet.sim.tools import find

    if loads and directory is None:
        raise InputError("--load needs --verilog: the folder of the reloadable design")
    find(simulator)
    if directory is not None:
        described = read_interface(Path(directory), "network")  # refused before anything begins
        if device and not netlist:
            raise InputError("--device with --verilog is for --netlist: the Verilog there is made already")
        device = device or described.get("device")
    if netlist:
        if watched:
            raise InputError(
                "--layers watches the generated Verilog: leave out --netlist, whose layers lose ports"
            )
        check_device(device or "ecp5-85k")
    net, images = load(network), load_samples(source)
    count = len(next(iter(check_images(net, images).values())))
    if directory is not None:
        shapes = [list(port["shape"]) for port in stream_ports(described, "input")]
        if shapes != [list(one.type.shape) for one in net.inputs]:
            raise InputError(f"{directory} was generated from another network than {network}")
    expected = by_name(net, load_samples(expect) if expect else run(net, images))
    several = len(net.inputs) + len(net.outputs) > 2
    samples = by_name(net, images, [net_input.name for net_input in net.inputs])
    if several and loads:
        raise InputError("--load: a reloadable design has one input and one output")
    words: list[int] = []
    if loads:
        from fermatnet.hw.compiler.generate import load_burst

        words = load_burst(net, str(directory))
    with results_file(target, net.outputs) as store, tempfile.TemporaryDirectory() as scratch:
        if directory is None:
            from fermatnet.hw.compiler.generate import generate

            directory = str(Path(scratch) / "verilog")
            with phases("verilog") as phase:
                generate(net, directory, device=device or "ecp5-85k", progress=phase)
        if netlist:
            directory = mapped(directory, scratch, device or "ecp5-85k")
        waves_file, latency, odd = None if waves is None else Path(waves), "", None
        streams = Path(scratch) / "layers" if watched else None
        if streams:
            streams.mkdir()
        try:
            with share("simulation") as progress:
                if several:
                    many = simulate_several(
                        Path(directory),
                        samples,
                        stalls=stalls,
                        simulator=simulator,
                        waves=waves_file,
                        layers=streams,
                    )
                    results, cycles, seconds = many.outputs, many.cycles_per_image, many.seconds
                else:
                    single = simulate(
                        Path(directory),
                        samples[net.input_name],
                        stalls=stalls,
                        simulator=simulator,
                        waves=waves_file,
                        progress=progress,
                        load=words,
                        layers=streams,
                    )
                    results, cycles = {net.output: single.outputs}, single.cycles_per_image
                    seconds, latency = single.seconds, f", first output after {single.first_latency}"
        except SimulationError as error:
            location = first_difference(net, images, Path(directory), streams) if streams else None
            raise SimulationError(f"{error}; {location}" if location else str(error)) from error
        if streams:
            odd = first_difference(net, images, Path(directory), streams)
        store(results)
    if odd:
        line(odd)
    for name, values in results.items():
        difference = compare(values, expected[name])
        if difference:
            line(f"output {name!r}: {difference}" if several else str(difference))
            return 1
    if odd:
        return 1
    if watched:
        line(f"{len(net.nodes)} layers: every stream is the reference's")
    sizes = " and ".join(str(values.shape[1]) for values in results.values())
    line(
        f"{count} images, {sizes} outputs each: equal to the {'expected' if expect else 'reference'}. "
        f"{cycles:.1f} cycles an image{latency}; {seconds:.1f} s"
    )
    return 0


def check_device(device: str) -> None:
    """InputError for a device whose cells cannot be simulated, or where yosys is missing."""
    from fermatnet.hw.devices import device as find_device
    from fermatnet.synth import tools
    from fermatnet.synth.netlist.models import models

    models(find_device(device).family)
    tools.find("yosys")


def mapped(directory: str, scratch: str, device: str) -> str:
    """The folder in ``scratch`` that holds the netlist of the design in ``directory``; says what it is made
    of."""
    from fermatnet.synth.netlist.design import netlist_design

    out = Path(scratch) / "netlist"
    with phases("netlist") as phase:
        circuit = netlist_design(Path(directory), out, device, progress=phase, detail=phase.detail)
    counts = Counter(cell["type"] for _, cell in circuit.cells())
    cells = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    line(f"netlist for {device}: {cells}")
    return str(out)


def by_name(
    net: Any, arrays: np.ndarray | dict[str, np.ndarray], names: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Arrays by the names of the network's outputs (or of ``names``); InputError where some are missing."""
    wanted = list(names or net.outputs)
    named = {wanted[0]: arrays} if isinstance(arrays, np.ndarray) else arrays
    if sorted(named) != sorted(wanted):
        raise InputError(f"one array a name is needed: {', '.join(wanted)}, not {', '.join(named)}")
    return named
