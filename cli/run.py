"""``fermatnet run``."""

import click

from fermatnet.cli.arrays import array_file, load_array
from fermatnet.cli.console import bar, line
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
    "--batch",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images at a time (bounds the memory).",
)
def command(network: str, source: str, target: str, batch: int) -> None:
    """Run NETWORK (.onnx) in the bit-exact numpy reference.

    Fermat layers are computed by diminished-1 number transforms and piecewise layers by AND and popcount, as
    the generated hardware does; the outputs are the integers that the hardware will give.
    """
    apart([network, source], [target])
    from fermatnet.model.network import load, run
    from fermatnet.model.network.reference import check_images

    net, images = load(network), load_array(source)
    check_images(net, images)
    with array_file(target) as store, bar("reference", len(images)) as progress:
        outputs = run(net, images, batch=batch, progress=progress)
        store(outputs)
    line(f"{len(images)} images -> {target} (int64, {outputs.shape[0]} x {outputs.shape[1]})")
