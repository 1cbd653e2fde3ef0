"""Networks whose accuracy is published, from their files: every test image in the reference, the first ones
in RTL under random stalls, and the whole design synthesised.

``fermatnet bench published --data DIR --models docs/results/networks`` takes ``DIR/cifar10`` and the files
of `NETWORKS`; ``--only`` takes one of them, ``--quick`` a tenth of the images. The reference runs in parts
of 1,000 images, RTL in parts of 100, and every part is a row that is kept (``--results``).
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fermatnet.bench.rows import Asked, bench
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, load
from fermatnet.model.network import run as reference
from fermatnet.model.network.summary import summary
from fermatnet.model.result_log import ResultLog, design_digest, digest
from fermatnet.model.train import data as datasets

__all__ = ["NETWORKS", "run"]

NETWORKS = {
    "ResNet8 PA(4,5)": "resnet8-cifar10-pa-4-5.onnx",
    "ResNet8 PA(4,5), short levels": "resnet8-cifar10-pa-short-4-5.onnx",
    "ResNet8 PA(2,1)": "resnet8-cifar10-pa-2-1.onnx",
}
DEVICE, CYCLES, CLOCK_MHZ = "xc7z020", 36_864, 100
IMAGES, PART = 10_000, 1000
SIMULATED, RUN = 1000, 100
RIVALS = (
    ("CNV-W1A1, hls4ml-FINN", 84.5, 661),
    ("ResNet8, hls4ml-FINN", 83.5, 130.8),
)
"""MLPerf Tiny's open division, results v0.7 and v1.0, on boards with an xc7z020: accuracy, images a
second."""


@bench
def run(asked: Asked, *, data: str | None = None) -> list[dict[str, Any]]:
    """Measures the networks that are asked for; prints the table and gives its rows back."""
    if data is None or asked.folder is None:
        raise InputError("give --data DIR with cifar10 in it, and --models DIR with the network files")
    test, rows = datasets.load(f"cifar10:{Path(data) / 'cifar10'}").test, []
    for name in asked.named(NETWORKS, "network"):
        file = asked.folder / NETWORKS[name]
        net, own = load(file), digest(file.read_bytes().hex())
        share = 10 if asked.quick else 1
        rows.append(
            {"network": name} | _row(net, own, test, asked.log, (IMAGES // share, SIMULATED // share))
        )
    _print(rows)
    asked.write(rows)
    return rows


def _row(net: Network, own: str, test: Any, log: ResultLog, counts: tuple[int, int]) -> dict[str, Any]:
    (images, simulated), starts = counts, range(0, counts[0], PART)
    scores = [log.row(f"published/{own}/reference/{at}", partial(_scored, net, test, at)) for at in starts]
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch) / "hw"
        made = generate(net, folder, cycles=CYCLES, clock_mhz=CLOCK_MHZ, device=DEVICE)
        design = design_digest(folder)
        parts = [
            log.row(f"published/{own}/rtl/{design}/{at}", partial(_simulated, net, folder, test, at))
            for at in range(0, simulated, RUN)
        ]
        found = log.row(f"published/synthesis/{design}", partial(_synthesised, folder))
    return {
        "accuracy": round(100 * sum(one["right"] for one in scores) / images, 2),
        "images": images,
        "rtl_images": simulated,
        "rtl_equal": sum(one["equal"] for one in parts),
        "ace_millions": round(summary(net)["ace"] / 1e6, 1),
        "cycles": made["cycles_per_image"],
        "images_per_second": round(1e6 * CLOCK_MHZ / made["cycles_per_image"], 1),
        **found,
    }


def _scored(net: Network, test: Any, at: int) -> dict[str, Any]:
    part = slice(at, at + PART)
    return {"right": int((reference(net, test.images[part]).argmax(1) == test.labels[part]).sum())}


def _simulated(net: Network, folder: Path, test: Any, at: int) -> dict[str, Any]:
    from fermatnet.sim.network import simulate

    images = test.images[at : at + RUN]
    outputs = simulate(folder, images, stalls=at).outputs
    return {"equal": int(np.all(outputs == reference(net, images), axis=1).sum())}


def _synthesised(folder: Path) -> dict[str, Any]:
    from fermatnet.synth.flow import synthesise

    found = synthesise(folder, DEVICE, place=False)
    return {key: found[key] for key in ("luts", "ffs", "brams", "dsps", "versions")}


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"CIFAR-10, {DEVICE} at {CLOCK_MHZ} MHz, LUT to DSP as yosys maps them")
    table.add_column("network")
    for column in ("accuracy %", "RTL", "cycles", "images/s", "LUT", "FF", "BRAM", "DSP", "ACE, millions"):
        table.add_column(column, justify="right")
    for row in rows:
        keys = ("cycles", "images_per_second", "luts", "ffs", "brams", "dsps", "ace_millions")
        rtl = f"{row['rtl_equal']:,} of {row['rtl_images']:,} equal"
        table.add_row(row["network"], f"{row['accuracy']:.2f}", rtl, *(f"{row[key]:,}" for key in keys))
    for name, accuracy, speed in RIVALS:
        table.add_row(name, f"{accuracy:.1f}", "", "", f"{speed:,}")
    Console(width=140).print(table)
