"""``fermatnet run``."""

from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np

from fermatnet.cli.arrays import load_samples, results_file
from fermatnet.cli.console import bar, line
from fermatnet.cli.kinds import InputFile, OutputDirectory, OutputFile
from fermatnet.model.outputs import apart, check_directory


@click.command(name="run")
@click.argument("network", type=InputFile())
@click.option(
    "--input",
    "source",
    required=True,
    type=InputFile(),
    metavar="X.npy",
    help="Samples of the network's input type, shape (n, C, H, W), or the vector; .npz for several inputs, "
    "one array a name.",
)
@click.option(
    "--output",
    "target",
    required=True,
    type=OutputFile(),
    metavar="Y.npy",
    help="Where the outputs go: int64, shape (n, K); .npz for several outputs, one array a name.",
)
@click.option(
    "--layers",
    "folder",
    type=OutputDirectory(),
    metavar="DIR",
    help="Also write every tensor to DIR: a .npy file each, int64 (n, C, H, W), and tensors.json.",
)
@click.option("--force", is_flag=True, help="Replace the folder of --layers if it is not empty.")
@click.option(
    "--batch",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images at a time (bounds the memory).",
)
def command(network: str, source: str, target: str, folder: str | None, force: bool, batch: int) -> None:
    """Run NETWORK (.onnx) in the bit-exact numpy reference.

    Fermat layers are computed by diminished-1 number transforms and piecewise layers by AND and popcount, as
    the generated hardware does; the outputs are the integers that the hardware will give.
    """
    apart([network, source], [target, folder])
    if folder is not None:
        check_directory(folder, force=force)
    from fermatnet.model.atomic import atomic_directory
    from fermatnet.model.network import load, run
    from fermatnet.model.network.reference import check_images
    from fermatnet.model.network.tensor_files import write_tensors

    net, samples = load(network), load_samples(source)
    count = len(next(iter(check_images(net, samples).values())))
    with ExitStack() as stack:
        store = stack.enter_context(results_file(target, net.outputs))
        layers = stack.enter_context(atomic_directory(folder, force=force)) if folder is not None else None
        progress = stack.enter_context(bar("reference", count))
        if layers is not None:
            results = write_tensors(net, samples, Path(layers), batch=batch, progress=progress)
        else:
            made = run(net, samples, batch=batch, progress=progress)
            results = {net.output: made} if isinstance(made, np.ndarray) else made
        store(results)
    sizes = [f"{len(value)} x {value.shape[1]}" for value in results.values()]
    line(f"{count} images -> {target} (int64, {', '.join(sizes)})")
    if folder is not None:
        line(f"{len(net.types)} tensors -> {folder}")
