"""``fermatnet run``."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from fermatnet.cli.arrays import load_samples, results_file
from fermatnet.cli.console import bar, line, notes
from fermatnet.cli.kinds import InputFile, OutputDirectory, OutputFile
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import apart, check_directory

if TYPE_CHECKING:
    from fermatnet.model.network import Network

Samples = np.ndarray | dict[str, np.ndarray]
Results = dict[str, np.ndarray]


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
    help="Also write every tensor to DIR, by the reference: a .npy file each, int64 (n, C, H, W), and "
    "tensors.json.",
)
@click.option("--force", is_flag=True, help="Replace the folder of --layers if it is not empty.")
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
    network: str,
    source: str,
    target: str,
    folder: str | None,
    force: bool,
    engine: str,
    threads: int,
    explained: bool,
    batch: int,
) -> None:
    """Run NETWORK (.onnx); the outputs are the integers that the hardware will give.

    Both engines give the same integers. In the reference Fermat layers are computed by diminished-1 number
    transforms and piecewise layers by AND and popcount, as the generated hardware does; the packed engine
    takes the fastest exact way.
    """
    apart([network, source], [target, folder])
    if folder is not None:
        check_directory(folder, force=force)
    from fermatnet.model.atomic import atomic_directory
    from fermatnet.model.network import load
    from fermatnet.model.network.reference import check_images

    net, samples = load(network), load_samples(source)
    count = len(next(iter(check_images(net, samples).values())))
    by_name = isinstance(samples, dict) or len(net.outputs) > 1
    if explained and (by_name or folder is not None):
        raise InputError("--explain goes with one input, one output and without --layers: leave it out")
    with ExitStack() as stack:
        store = stack.enter_context(results_file(target, net.outputs))
        if folder is not None:
            layers = stack.enter_context(atomic_directory(folder, force=force))
            results = _layers(net, samples, layers, count, batch)
        elif by_name:
            results = _reference(net, samples, count, batch)
        else:
            assert isinstance(samples, np.ndarray)
            form = "numpy" if engine == "reference" else "auto"
            results = _engine(net, samples, threads, form, explained, batch)
        store(results)
    sizes = [f"{len(value)} x {value.shape[1]}" for value in results.values()]
    line(f"{count} images -> {target} (int64, {', '.join(sizes)})")
    if folder is not None:
        line(f"{len(net.types)} tensors -> {folder}")


def _layers(net: "Network", samples: Samples, folder: Path, count: int, batch: int) -> Results:
    from fermatnet.model.network.tensor_files import write_tensors

    with bar("reference", count) as progress:
        return write_tensors(net, samples, folder, batch=batch, progress=progress)


def _reference(net: "Network", samples: Samples, count: int, batch: int) -> Results:
    from fermatnet.model.network import run

    with bar("reference", count) as progress:
        outputs = run(net, samples, batch=batch, progress=progress)
    return {net.output: outputs} if isinstance(outputs, np.ndarray) else outputs


def _engine(
    net: "Network", samples: np.ndarray, threads: int, form: str, explained: bool, batch: int
) -> Results:
    from fermatnet.runtime.packed import build
    from fermatnet.runtime.packed.engine import Engine

    if form == "auto" and not build.built():
        notes.print("compiling the packed engine (once, about ten seconds) ...")
    ready = Engine(net, threads, form=form)
    if ready.note:
        line(f"note: {ready.note}")
    if explained:
        line(ready.explain())
    with bar("reference" if ready.form == "numpy" else f"packed, {ready.form}", len(samples)) as progress:
        return {net.output: ready(samples, batch=batch, progress=progress)}
