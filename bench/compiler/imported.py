"""``python -m fermatnet.bench.compiler.imported --models DIR``: the RTL of int8 TensorFlow Lite models
against LiteRT itself, with and without stalls; a table of cycles.

DIR holds .tflite files (those of MLPerf Tiny, for instance). The answers come from LiteRT's reference
kernels, which nobody here wrote; the inputs are the two ends of the range and random integers.
"""

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.tflite import read
from fermatnet.model.exchange.tflite.executor import run_source
from fermatnet.model.network import Network
from fermatnet.sim.network import simulate

__all__ = ["Row", "check", "draw", "files", "litert"]


@dataclass(frozen=True)
class Row:
    """One model, one run: ``different`` counts integers that are not LiteRT's; ``predicted`` and ``measured``
    are cycles an image (measured only means something without stalls)."""

    model: str
    stalls: int | None
    images: int
    outputs: int
    different: int
    predicted: int
    measured: float
    predicted_latency: int
    latency: int
    seconds: float


def files(models: Path, only: str) -> list[Path]:
    """The .tflite files of ``models`` whose name holds ``only`` (empty: all), sorted."""
    return sorted(path for path in models.glob("*.tflite") if only in path.stem)


def draw(net: Network, count: int, seed: int) -> np.ndarray:
    """Inputs (count, *dims) of the network's type: its lowest value, its highest, then random ones."""
    lo, hi = net.input_range
    images = (
        np.random.default_rng(seed).integers(lo, hi + 1, (count, *net.input_dims)).astype(net.input_dtype)
    )
    for place, value in enumerate((lo, hi)[: max(0, count - 1)]):
        images[place] = value
    return images


def litert(path: Path, net: Network, images: np.ndarray) -> np.ndarray:
    """What LiteRT answers to ``images``: int64 (n, K), ordered as the network's outputs."""
    last = images.ndim - 1
    given = np.moveaxis(images, 1, last) if last > 1 else images  # the file has its channels last
    answers = run_source(path, np.ascontiguousarray(given), net.meta["source_output"])
    if answers.ndim == 4:
        answers = answers.transpose(0, 3, 1, 2)
    return answers.reshape(len(images), -1)


def check(
    path: Path, count: int, stalls: tuple[int | None, ...], cycles: int, seed: int, folder: Path
) -> list[Row]:
    """Generates ``path``'s design into ``folder`` and simulates it once for every entry of ``stalls``."""
    net = read(path)
    images = draw(net, count, seed)
    wanted = litert(path, net, images)
    generate(net, folder, cycles=cycles, external="none")
    interface, rows = read_interface(folder, "network"), []
    for stall in stalls:
        started = time.monotonic()
        result = simulate(folder, images, stalls=stall)
        rows.append(
            Row(
                path.stem,
                stall,
                count,
                wanted.size,
                int((result.outputs != wanted).sum()),
                interface["cycles_per_image"],
                result.cycles_per_image,
                interface["latency_cycles"],
                result.first_latency,
                round(time.monotonic() - started, 1),
            )
        )
    return rows


@click.command()
@click.option(
    "--models",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of int8 .tflite files; others in it are passed over, with the reason",
)
@click.option("--only", default="", help="models whose name holds this")
@click.option("--count", default=3, help="inputs a run")
@click.option("--cycles", default=120_000, help="an image, at the most")
@click.option("--stalls", default=1, help="seed of the stalls of the second run")
@click.option("--seed", default=0, help="of the inputs")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="write the rows here")
def main(models: Path, only: str, count: int, cycles: int, stalls: int, seed: int, file: Path | None) -> None:
    """RTL of int8 models against LiteRT."""
    rows: list[Row] = []
    columns = ["model", "stalls", "outputs", "different", "cycles predicted", "measured"]
    columns += ["latency predicted", "measured", "s"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for path in files(models, only):
        with tempfile.TemporaryDirectory(prefix="fermatnet-imported-") as scratch:
            try:
                found = check(path, count, (None, stalls), cycles, seed, Path(scratch) / "design")
            except InputError as error:
                print(f"passed over: {error}", flush=True)
                continue
        for row in found:
            stalled = "none" if row.stalls is None else f"seed {row.stalls}"
            measured = f"{row.measured:.1f}" if row.stalls is None else "-"
            print(
                f"| {row.model} | {stalled} | {row.outputs} | {row.different} | {row.predicted} | "
                f"{measured} | {row.predicted_latency} | {row.latency} | {row.seconds} |",
                flush=True,
            )
        rows += found
        if file is not None:
            with atomic_file(file) as temporary:
                temporary.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    wrong = sum(row.different > 0 for row in rows)
    print(f"{len(rows)} runs, {wrong} with a wrong integer")
    raise SystemExit(1 if wrong or not rows else 0)


if __name__ == "__main__":
    main()
