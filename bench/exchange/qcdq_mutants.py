"""Mutants of QCDQ files (Quantize-Clip-Dequantize), as Brevitas writes them: refused by name, or equal to
onnxruntime on the same file.

``python -m fermatnet.bench.exchange.qcdq_mutants --count 1000 --seed 0``; otherwise as
`fermatnet.bench.exchange.onnx_mutants`.
"""

import functools
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from fermatnet.bench.exchange.mutants import report
from fermatnet.bench.exchange.mutations import changed
from fermatnet.bench.exchange.onnx_mutants import verdict

__all__ = ["BITS", "main", "mutants", "qcdq"]

BITS = (3, 4, 8)
"""Of weights and activations, one network each."""


def _network(bits: int) -> nn.Module:
    import brevitas.nn as layers
    from brevitas.quant import Int8ActPerTensorFloat, Int32Bias

    widths = {"weight_bit_width": bits, "bias_quant": Int32Bias}
    return nn.Sequential(
        layers.QuantIdentity(bit_width=8, return_quant_tensor=True),
        layers.QuantConv2d(2, 4, 3, padding=1, bias=True, return_quant_tensor=True, **widths),
        layers.QuantReLU(bit_width=bits, return_quant_tensor=True),
        nn.MaxPool2d(2),
        layers.QuantConv2d(4, 5, 3, bias=True, return_quant_tensor=True, **widths),
        layers.QuantReLU(bit_width=bits, return_quant_tensor=True),
        nn.Flatten(),
        layers.QuantLinear(5 * 4, 6, bias=True, output_quant=Int8ActPerTensorFloat, **widths),
    )


@functools.cache
def qcdq(bits: int) -> bytes:
    """The ONNX file of a small network of random weights, calibrated by a few random images (1, 2, 8, 8)."""
    from brevitas.export import export_onnx_qcdq

    torch.manual_seed(bits)
    before, net = logging.root.manager.disable, _network(bits)
    images = torch.randn(8, 2, 8, 8)
    for _ in range(3):
        net(images)
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "m.onnx"
            # the older exporter: the default one takes several seconds a network for the same nodes
            export_onnx_qcdq(net.eval(), args=images[:1], export_path=str(path), dynamo=False)
            return path.read_bytes()
    finally:
        logging.disable(before)


def mutants(count: int, seed: int) -> Iterator[tuple[str, onnx.ModelProto]]:
    """``count`` models, each with a line that says what was changed."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        bits = BITS[k % len(BITS)]
        model = onnx.load_model_from_string(qcdq(bits))
        yield f"{bits} bits, {changed(model, rng)}", model


def main(arguments: list[str] | None = None) -> int:
    """The command; its status is 1 where a mutant was translated into another function."""
    return report("QCDQ", mutants, verdict, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
