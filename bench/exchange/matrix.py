"""The matrix of onnxruntime's quantizer: {QDQ, QOperator} x {a scale a tensor, a channel} x {int8, uint8
activations} x {symmetric, not} on a residual, a MobileNetV2, a 1-D and a dense network of random weights.

``python -m fermatnet.bench.exchange.matrix --count 200 --seed 0``. Every file is imported and its reference
compared with onnxruntime; ``--rtl N`` also simulates one file of each network and form under random stalls
against onnxruntime, on N samples.
"""

import itertools
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from fermatnet.bench.exchange.quantized_files import SHAPES, quantized
from fermatnet.hw.compiler.generate import generate
from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import integers, onnx_quantized
from fermatnet.model.network import run
from fermatnet.sim.network import simulate

__all__ = ["CELLS", "cell", "rtl"]

CELLS = list(itertools.product(SHAPES, ("QDQ", "QOperator"), (False, True), (True, False), (False, True)))
"""(network, form, a scale a channel, int8 activations, symmetric)."""
_RTL_CELLS = {
    (net, form): (net, form, form == "QDQ", net in ("residual", "one_d"), False)
    for net, form in itertools.product(SHAPES, ("QDQ", "QOperator"))
}


def cell(file: Path, count: int) -> dict[str, Any]:
    """One file: how many of the integers of ``count`` samples are not onnxruntime's; a refusal is kept in
    ``refused``."""
    try:
        reading = onnx_quantized.read(file)
    except InputError as error:
        return {"refused": str(error)}
    samples = integers.samples_of(reading.network, count)
    own, theirs = run(reading.network, samples), onnx_quantized.outputs(reading, samples)
    return {"outputs": own.size, "different": int((own != theirs).sum())}


def rtl(file: Path, count: int, cycles: int, stalls: int) -> dict[str, Any]:
    """One file in RTL, with stalls and without, beside onnxruntime: integers that differ, cycles."""
    reading = onnx_quantized.read(file)
    samples = integers.samples_of(reading.network, count)
    assert isinstance(samples, np.ndarray), "the networks of the matrix have one input"
    theirs = onnx_quantized.outputs(reading, samples)
    with tempfile.TemporaryDirectory(prefix="fermatnet-matrix-") as scratch:
        folder = Path(scratch) / "design"
        made = generate(reading.network, folder, cycles=cycles)
        free, stalled = simulate(folder, samples), simulate(folder, samples, stalls=stalls)
    return {
        "outputs": theirs.size,
        "different": int((free.outputs != theirs).sum()),
        "different_stalled": int((stalled.outputs != theirs).sum()),
        "predicted": made["cycles_per_image"],
        "measured": free.cycles_per_image,
    }


def _cells(count: int, seed: int, rtl_count: int, only: str, folder: Path) -> Iterator[dict[str, Any]]:
    for net, form, per_channel, signed, symmetric in CELLS:
        if only not in f"{net} {form}":
            continue
        file = quantized(folder / "m.onnx", net, form, per_channel, signed, symmetric, seed)
        row = {"net": net, "form": form, "per_channel": per_channel, "signed": signed, "symmetric": symmetric}
        row |= cell(file, count)
        if rtl_count and _RTL_CELLS[net, form] == (net, form, per_channel, signed, symmetric):
            row["rtl"] = rtl(file, rtl_count, 20_000, seed + 1)
        yield row


@click.command()
@click.option("--count", default=200, show_default=True, help="samples a file")
@click.option("--only", default="", help="files whose 'network form' holds this")
@click.option("--seed", default=0, show_default=True, help="of the networks' weights")
@click.option("--rtl", "rtl_count", default=0, help="samples of the files that are simulated; 0: none")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="write the rows here")
def main(count: int, only: str, seed: int, rtl_count: int, target: Path | None) -> None:
    """Files of onnxruntime's quantizer: reference and RTL beside onnxruntime."""
    logging.disable(logging.WARNING)  # the quantizer gives advice in the log
    found = []
    with tempfile.TemporaryDirectory(prefix="fermatnet-matrix-") as scratch:
        for row in _cells(count, seed, rtl_count, only, Path(scratch)):
            found.append(row)
            print(" ".join(f"{key}={value}" for key, value in row.items()), flush=True)
            if target is not None:
                with atomic_file(target) as temporary:
                    temporary.write_text(json.dumps(found, indent=1) + "\n")
    wrong = sum(_wrong(row) for row in found)
    designs = sum("rtl" in row for row in found)
    print(f"{len(found)} files of {count} samples, {designs} of them in RTL: {wrong} with a wrong integer")
    raise SystemExit(1 if wrong or not found else 0)


def _wrong(row: dict[str, Any]) -> bool:
    made = row.get("rtl", {})
    parts = (row.get("different"), made.get("different", 0), made.get("different_stalled", 0))
    return any(parts) or "refused" in row or made.get("predicted") != made.get("measured")


if __name__ == "__main__":
    main()
