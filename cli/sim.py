"""``fermatnet sim``."""

import tempfile
from pathlib import Path

import click

from fermatnet.cli.arrays import array_file, load_array
from fermatnet.cli.console import line, share
from fermatnet.cli.kinds import SEED, InputDirectory, InputFile, OutputFile
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
    help="Images, uint8, shape (n, C, H, W).",
)
@click.option(
    "--output",
    "target",
    required=True,
    type=OutputFile(),
    metavar="Y.npy",
    help="Where the simulated outputs go: int64, shape (n, K).",
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
    expect: str | None,
) -> int:
    """Simulate NETWORK's Verilog through its AXI4-Stream ports and compare every output with the bit-exact
    reference.

    Exit status 1, naming the image and the logit, when one integer differs.
    """
    apart([network, source, expect], [target, waves])
    from fermatnet.hw.compiler.interface import read_interface
    from fermatnet.model.network import load, run
    from fermatnet.model.network.reference import check_images
    from fermatnet.sim.network import compare, simulate
    from fermatnet.sim.tools import find

    if loads and directory is None:
        raise InputError("--load needs --verilog: the folder of the reloadable design")
    find(simulator)
    if directory is not None:
        read_interface(Path(directory), "network")  # refused before anything begins
    net, images = load(network), load_array(source)
    check_images(net, images)
    expected = load_array(expect) if expect else run(net, images)
    words: list[int] = []
    if loads:
        from fermatnet.hw.compiler.generate import load_burst

        words = load_burst(net, str(directory))
    with array_file(target) as store, tempfile.TemporaryDirectory() as scratch:
        if directory is None:
            from fermatnet.hw.compiler.generate import generate

            directory = str(Path(scratch) / "verilog")
            with phases("verilog") as phase:
                generate(net, directory, progress=phase)
        with share("simulation") as progress:
            waves_file = None if waves is None else Path(waves)
            result = simulate(
                Path(directory),
                images,
                stalls=stalls,
                simulator=simulator,
                waves=waves_file,
                progress=progress,
                load=words,
            )
        store(result.outputs)
    difference = compare(result, expected)
    if difference:
        line(str(difference))
        return 1
    line(
        f"{len(images)} images, {expected.shape[1]} outputs each: equal to the "
        f"{'expected' if expect else 'reference'}. "
        f"{result.cycles_per_image:.1f} cycles an image, first output after {result.first_latency}; "
        f"{result.seconds:.1f} s"
    )
    return 0
