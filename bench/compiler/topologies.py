"""Published topologies at published speeds on a Zynq-7020: whole networks mapped by yosys, LUT and block RAM
beside what others take.

``fermatnet bench topologies`` generates CNV (BNN-PYNQ's network for CIFAR-10) at 1,894 and 3,279 images a
second of 100 MHz with weights of two pieces and activations of one (W1A1), with two bits of each (W2A2), and
as PA(4,5), then the multilayer perceptron 16-64-32-32-5 at an inference a cycle; their weights are drawn,
their norms set on drawn images. No weights come from outside. Rows are kept as they come (``--results``) and
found again by their Verilog; ``--only`` takes the designs whose name holds a word.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fermatnet.bench.rows import Asked, bench
from fermatnet.bench.samples.untrained import multilayer, untrained
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import Network
from fermatnet.model.result_log import ResultLog, design_digest
from fermatnet.synth.flow import synthesise

__all__ = ["DESIGNS", "run"]

DEVICE, MHZ = "xc7z020", 100.0
SCHEMES = {"W1A1": ("pa", 2, 1), "W2A2": ("lsq", 2, 2), "PA(4,5)": ("pa", 4, 5)}
# BNN-PYNQ's overlays for the PYNQ-Z1, as its repository lists them: LUT, block RAM of 36 kbit
OVERLAYS = {"W1A1": (26_072, 124), "W2A2": (37_302, 140)}
SPEEDS = (1894, 3279)  # images a second at MHZ


@dataclass(frozen=True)
class Design:
    """What makes the network, cycles an image, and what another project takes: LUT, block RAM."""

    make: Callable[[], Network]
    cycles: int
    rival: tuple[int, int] | None = None


DESIGNS = {
    f"CNV {name}, {speed}/s": Design(
        partial(untrained, "cnv", how, (3, 32, 32), patch=4), int(MHZ * 1e6 / speed), OVERLAYS.get(name)
    )
    for name, how in SCHEMES.items()
    for speed in SPEEDS
} | {
    # beside da4ml's estimates for the same sizes
    "MLP, 4-bit weights": Design(partial(multilayer, ("int8", 4, 8)), 1, (41_874, 0)),
    "MLP PA(4,5)": Design(partial(multilayer, SCHEMES["PA(4,5)"]), 1, (56_232, 0)),
}
"""What is measured, by name."""
COLUMNS = ("design", "cycles", "images/s", "LUT", "others", "FF", "BRAM", "others", "DSP")


@bench
def run(asked: Asked) -> list[dict[str, Any]]:
    """Measures the designs whose name holds ``only`` (``quick``: the first of them), prints the table and
    gives its rows back."""
    rows = []
    for name in asked.holding(DESIGNS):
        print(f"{name} ...", flush=True)
        rows.append(_row(name, asked.log))
    _print(rows)
    asked.write(rows)
    return rows


def _row(name: str, log: ResultLog) -> dict[str, Any]:
    design = DESIGNS[name]
    with tempfile.TemporaryDirectory(prefix="fermatnet-bench-") as scratch:
        folder = Path(scratch) / "out"
        made = generate(
            design.make(), folder, cycles=design.cycles, clock_mhz=MHZ, device=DEVICE, external="none"
        )
        row = log.row(f"topologies/{design_digest(folder)}", lambda: _measured(folder, made))
    return row | {"design": name, "rival": design.rival}


def _measured(folder: Path, made: dict[str, Any]) -> dict[str, Any]:
    found = synthesise(folder, DEVICE, clock_mhz=MHZ)
    return {
        "cycles": made["cycles_per_image"],
        "images_per_second": MHZ * 1e6 / made["cycles_per_image"],
        **{key: found[key] for key in ("luts", "ffs", "brams", "dsps", "versions")},
    }


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Published topologies on {DEVICE}, mapped by yosys, not placed")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "design" else "right")
    for row in rows:
        rival = [f"{number:,}" for number in row["rival"]] if row["rival"] else ["", ""]
        numbers = [f"{row['cycles']:,}", f"{row['images_per_second']:,.0f}", f"{row['luts']:,}", rival[0]]
        numbers += [f"{row['ffs']:,}", f"{row['brams']:g}", rival[1], f"{row['dsps']:,}"]
        table.add_row(row["design"], *numbers)
    Console(width=140).print(table)
