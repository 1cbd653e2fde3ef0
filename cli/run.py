"""``fermatnet run``."""

import click

from fermatnet.cli.arrays import array_file, load_array
from fermatnet.cli.console import bar, line, notes
from fermatnet.cli.kinds import InputFile, OutputFile
from fermatnet.model.outputs import apart


@click.command(name="run")
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
    help="Where the outputs go: int64, shape (n, K).",
)
@click.option(
    "--engine",
    default="packed",
    show_default=True,
    type=click.Choice(["packed", "reference"]),
    help="packed: compiled kernels for this processor (built at the first call); reference: numpy, layer by "
    "layer.",
)
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Threads of the packed engine.",
)
@click.option("--explain", "explained", is_flag=True, help="Print which kernel each layer takes, and why.")
@click.option(
    "--batch",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images at a time (bounds the memory).",
)
def command(
    network: str, source: str, target: str, engine: str, threads: int, explained: bool, batch: int
) -> None:
    """Run NETWORK (.onnx); the outputs are the integers that the hardware will give.

    Both engines give the same integers. In the reference Fermat layers are computed by diminished-1 number
    transforms and piecewise layers by AND and popcount, as the generated hardware does; the packed engine
    takes the fastest exact way.
    """
    apart([network, source], [target])
    from fermatnet.model.network import load
    from fermatnet.model.network.reference import check_images
    from fermatnet.runtime.packed import build
    from fermatnet.runtime.packed.engine import Engine

    net, images = load(network), load_array(source)
    check_images(net, images)
    with array_file(target) as store:
        if engine == "packed" and not build.built():
            notes.print("compiling the packed engine (once, about ten seconds) ...")
        ready = Engine(net, threads, form="numpy" if engine == "reference" else "auto")
        if ready.note:
            line(f"note: {ready.note}")
        if explained:
            line(ready.explain())
        with bar("reference" if ready.form == "numpy" else f"packed, {ready.form}", len(images)) as progress:
            store(ready(images, batch=batch, progress=progress))
    line(f"{len(images)} images -> {target} (int64, {len(images)} x {ready.results})")
