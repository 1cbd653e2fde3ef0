"""Mutants of quantized ONNX files: refused by name, or equal to onnxruntime on the same file.

``python -m fermatnet.bench.exchange.onnx_mutants --count 1000 --seed 0``. The files are what onnxruntime's
quantizer makes of five networks, QDQ and QLinear operators; each mutant is read without the comparison that
guards the import and then compared on other samples.
"""

import functools
import logging
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import onnx

from fermatnet.bench.exchange.mutants import report
from fermatnet.bench.exchange.mutations import changed
from fermatnet.bench.exchange.quantized_files import MOVED, SHAPES, quantized
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import onnx_quantized

__all__ = ["main", "mutants", "verdict"]

_FORMS = ("QDQ", "QOperator")
_JUDGE = "onnxruntime "  # how its own refusals begin: the file itself is wrong


@functools.cache
def _base(net: str, form: str, signed: bool) -> bytes:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = quantized(Path(folder) / "m.onnx", net, form, per_channel=signed, signed=signed)
            return path.read_bytes()
    finally:
        logging.disable(before)


def mutants(count: int, seed: int) -> Iterator[tuple[str, onnx.ModelProto]]:
    """``count`` models, each with a line that says what was changed."""
    rng = np.random.default_rng(seed)
    bases = [*product(SHAPES, _FORMS, (True, False)), *product(MOVED, ("QDQ",), (True, False))]
    for k in range(count):
        base = bases[k % len(bases)]
        model = onnx.load_model_from_string(_base(*base))
        yield f"{base[0]} {base[1]}, {changed(model, rng)}", model


def verdict(model: onnx.ModelProto, folder: Path) -> tuple[str, str]:
    """("refused" or "equal" or "wrong", reason)."""
    path = folder / "mutant.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        reading = onnx_quantized.read(path)
    except InputError as error:
        words = str(error)
        return ("refused", words) if "\n" not in words else ("wrong", f"more than one line: {words}")
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    try:
        return "equal", onnx_quantized.compared(reading, 10)
    except InputError as error:
        return ("refused" if _JUDGE in str(error) and "differs" not in str(error) else "wrong"), str(error)


def main(arguments: list[str] | None = None) -> int:
    """The command; its status is 1 where a mutant was translated into another function."""
    return report("quantized ONNX", mutants, verdict, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
