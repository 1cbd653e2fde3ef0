"""A transposed convolution as the convolution that it is: of the map with zeros between its pixels, by the
kernel turned round."""

from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.onnx_quantized.graph import Graph, Tensor
from fermatnet.model.network.nodes import Pad, Slice, Upsample

__all__ = ["CONVOLUTIONS", "spread"]

CONVOLUTIONS = ("Conv", "ConvTranspose")


def spread(
    g: Graph, node: onnx.NodeProto, given: dict[str, Any], x: Tensor, whole: np.ndarray, scale: np.ndarray
) -> tuple[Tensor, dict[str, Any], np.ndarray, np.ndarray]:
    """(tensor, attributes, weights, their scales) of the convolution that gives the same.

    ``whole``, ``scale`` (C, O / group, ...): as the node has them; those of the convolution are
    (O, C / group, ...).
    """
    if len(x.dims) not in (2, 3) or whole.ndim != len(x.dims) + 1:
        raise misfit(node, f"weights {whole.shape} for an input of {('batch', *x.dims)}")
    row, group = len(x.dims) == 2, int(given["group"])
    if whole.shape[0] != x.dims[0] or x.dims[0] % group:
        raise misfit(node, f"weights {whole.shape} in {group} groups for {x.dims[0]} channels")
    if row:
        whole, scale = whole[:, :, None], scale[:, :, None]
    kernel = whole.shape[2:]
    stride, dilation, more = (
        _pair(given.get(key, []), row, default)
        for key, default in (("strides", 1), ("dilations", 1), ("output_padding", 0))
    )
    pads = _pads(node, given, row)
    g.floats.append(node.output[0])
    name, zero, b = x.name, x.quantization.zero, g.builder
    if max(stride) > 1:
        name = b.append(Upsample(g.fresh(), (name,), stride, "insert", zero))
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    before = [r - p for r, p in zip(reach, pads[:2], strict=True)]
    after = [r - p + m - (s - 1) for r, p, m, s in zip(reach, pads[2:], more, stride, strict=True)]
    name = _bordered(g, name, before, after, zero)
    dims = b.types[name].shape
    made = Tensor(name, (dims[0], dims[2]) if row else dims, x.quantization)
    turned = [_turned(part, group) for part in (whole, scale)]
    if row:
        turned = [part[:, :, 0] for part in turned]
    sides = [dilation[1]] if row else [dilation[0], dilation[1]]
    plain = {"group": group, "dilations": sides, "auto_pad": b"NOTSET"}
    return made, plain, turned[0], turned[1]


def _pair(values: list[int], row: bool, default: int) -> tuple[int, int]:
    found = [default] * (1 if row else 2) if not len(values) else [int(v) for v in values]
    return (default, found[0]) if row else (found[0], found[1])


def _pads(node: onnx.NodeProto, given: dict[str, Any], row: bool) -> tuple[int, int, int, int]:
    """(top, left, bottom, right)."""
    if given.get("output_shape") or given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise InputError(
            f"{label(node)}: ConvTranspose with output_shape or auto_pad is not read: give pads and "
            "output_padding"
        )
    pads = [int(v) for v in given.get("pads", [])] or [0] * (2 if row else 4)
    return (0, pads[0], 0, pads[1]) if row else (pads[0], pads[1], pads[2], pads[3])


def _turned(weight: np.ndarray, group: int) -> np.ndarray:
    """(C, O / group, H, W) -> (O, C / group, H, W), turned round."""
    inputs, outputs = weight.shape[0] // group, weight.shape[1]
    apart = weight.reshape(group, inputs, outputs, *weight.shape[2:])
    return apart.swapaxes(1, 2).reshape(group * outputs, inputs, *weight.shape[2:])[:, :, ::-1, ::-1]


def _bordered(g: Graph, name: str, before: list[int], after: list[int], zero: int) -> str:
    """The map with a border, or cut where the border is negative."""
    b = g.builder
    _, height, width = b.types[name].shape
    first = [max(0, -one) for one in before]
    last = [side - max(0, -one) for side, one in zip((height, width), after, strict=True)]
    if any(start >= end for start, end in zip(first, last, strict=True)):
        raise InputError("a transposed convolution that cuts everything off is not read: use smaller pads")
    if first != [0, 0] or last != [height, width]:
        name = b.append(Slice(g.fresh(), (name,), (first[0], first[1]), (last[0], last[1])))
    pad = (max(0, before[0]), max(0, before[1]), max(0, after[0]), max(0, after[1]))
    return b.append(Pad(g.fresh(), (name,), pad, zero)) if any(pad) else name
