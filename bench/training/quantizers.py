"""Quantizers side by side, from training to RTL: the digits network with each scheme, trained on
scikit-learn's digits, exported, predicted for a device at one number of cycles an image, and simulated.

``fermatnet bench quantizers`` trains each a few epochs, compares the file's outputs with torch's integer mode
on all 360 test images, and those of the generated Verilog with the file's on the first 100, under random
stalls.
``--only`` takes one row, ``--quick`` ten images in place of 100; rows are kept as they come (``--results``).
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fermatnet.bench.rows import Asked, bench
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import run as reference
from fermatnet.model.network.summary import summary
from fermatnet.sim.network import compare, simulate

__all__ = ["METHODS", "run"]

METHODS: dict[str, tuple[str, int, int]] = {
    "LSQ 4/4": ("lsq", 4, 4),
    "PACT/SAWB 4/4": ("pact", 4, 4),
    "LSQ 2/2": ("lsq", 2, 2),
    "PACT/SAWB 2/2": ("pact", 2, 2),
    "LSQ 8/8": ("lsq", 8, 8),
    "INT8": ("int8", 8, 8),
    "PA(4,5)": ("pa", 4, 5),
}
"""Row: scheme, weights, activations."""

DEVICE, CYCLES, STALLS = "ecp5-85k", 9216, 7
BUDGET: dict[str, Any] = {"epochs": 6, "float_epochs": 6, "threads": 1, "seed": 0}


@bench
def run(asked: Asked) -> list[dict[str, Any]]:
    """Trains, exports and simulates the networks that are asked for; prints the table and gives its rows
    back."""
    rows, images = [], 10 if asked.quick else 100
    for name in asked.named(METHODS, "quantizer"):
        key = f"quantizers/{name}/{images}/{json.dumps([DEVICE, CYCLES, STALLS, BUDGET])}"
        rows.append(asked.log.row(key, lambda name=name: _row(name, images)))  # type: ignore[misc]
    _print(rows)
    asked.write(rows)
    return rows


def _row(name: str, count: int) -> dict[str, Any]:
    from fermatnet.model.nn.integer import integer_logits
    from fermatnet.model.train.data import digits
    from fermatnet.model.train.finished import export_run, load_run
    from fermatnet.model.train.run import train

    method, weights, activations = METHODS[name]
    test = digits().test
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch)
        train(
            "digits",
            "digits",
            folder / "run",
            progress=False,
            scheme=method,
            weights=weights,
            activations=activations,
            **BUDGET,
        )
        net, model = export_run(folder / "run"), load_run(folder / "run")[0]
        outputs = reference(net, test.images)
        integers = integer_logits(model.eval(), _tensor(test.images)).numpy()
        made = generate(net, folder / "hw", cycles=CYCLES, device=DEVICE, resources=True)
        found = simulate(folder / "hw", test.images[:count], stalls=STALLS)
        difference = compare(found, outputs[:count])
    return {
        "method": name,
        "accuracy": round(100 * float((outputs.argmax(1) == test.labels).mean()), 2),
        "torch_equal": bool(np.array_equal(outputs, integers)),
        "rtl_images": count,
        "rtl_equal": difference is None,
        "difference": str(difference or ""),
        "ace_millions": round(summary(net)["ace"] / 1e6, 2),
        "cycles": made["cycles_per_image"],
        "device": DEVICE,
        **{key: made["resources"]["total"][key] for key in ("luts", "ffs", "brams", "dsps")},
    }


def _tensor(images: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(images)


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"The digits network on {DEVICE}, predicted, and in RTL")
    figures = ("accuracy %", "ACE, millions", "cycles", "LUT", "FF", "BRAM", "DSP")
    table.add_column("method")
    for column in (*figures, "torch", "RTL"):
        table.add_column(column, justify="right")
    for row in rows:
        keys = ("accuracy", "ace_millions", "cycles", "luts", "ffs", "brams", "dsps")
        equal = "equal" if row["torch_equal"] else "DIFFERS"
        rtl = f"{row['rtl_images']} equal" if row["rtl_equal"] else row["difference"]
        table.add_row(row["method"], *(f"{row[key]:,}" for key in keys), equal, rtl)
    Console(width=140).print(table)
