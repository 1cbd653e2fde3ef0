"""The functions and methods of torch that are understood, each with all its arguments, and the layer that
does the same.

An argument that a row does not name must have its default. ``layer`` makes the layer of ``torch.nn`` that
stands for a call: the arguments then have to pass that layer's own row. Calls that are no layers have
``rewrite``. Calls that only move values (``moves``) are judged by what they do to places
(:mod:`fermatnet.model.nn.operators.layouts`).
"""

import torch
from torch import fx, nn
from torch.nn import functional

from fermatnet.model.nn.operators import layouts, names, rewrites
from fermatnet.model.nn.operators.elementwise import ELEMENTWISE
from fermatnet.model.nn.operators.row import CallRow, Target, tensor
from fermatnet.model.nn.operators.rules import (
    anything,
    flag,
    number,
    only,
    sizes,
    steps,
    where,
)

__all__ = ["CALLS", "CallRow", "row_of"]

_number = where("a number", lambda v, s: number.holds(v, s) and v == v, "give a number")
_end = where("a number or `None`", lambda v, s: v is None or _number.holds(v, s), "give a number")
_pool = {**tensor, "kernel_size": sizes, "stride": anything, "padding": sizes, "ceil_mode": flag}
_in_evaluation = only(False, "write training=self.training: as it is, values are dropped in evaluation too")
_values = where(
    "that of the values, 1", rewrites.vector_axis, "write dim=1, of vectors (n, K) at the end of the network"
)
_MOVED = {
    "pad": "zeros, or another mode of padding",
    "interpolate": 'mode "nearest", "linear" or "bilinear" by whole factors',
    "expand": "of one pixel to a map",
}

CALLS: tuple[CallRow, ...] = (
    CallRow(
        "relu",
        names.RECTIFIERS,
        ("relu",),
        {**tensor, "inplace": flag},
        layer=lambda site: nn.ReLU(),
    ),
    CallRow("relu6", (functional.relu6,), (), {**tensor, "inplace": flag}, layer=lambda site: nn.ReLU6()),
    CallRow(
        "hardtanh",
        (functional.hardtanh, functional.hardtanh_),
        ("hardtanh",),
        {**tensor, "min_val": _number, "max_val": _number, "inplace": flag},
        layer=rewrites.clamp,
    ),
    CallRow(
        "threshold",
        (functional.threshold, torch.threshold_),
        ("threshold",),
        {**tensor, "threshold": _number, "value": _number, "inplace": flag},
        layer=rewrites.made(nn.Threshold, "threshold", "value"),
    ),
    CallRow(
        "clamp",
        (torch.clamp, torch.clamp_, torch.clip, torch.clip_, "clamp", "clamp_", "clip", "clip_"),
        ("clamp",),
        {**tensor, "min": _end, "max": _end},
        layer=rewrites.clamp,
    ),
    CallRow(
        "clamp_min",
        (torch.clamp_min, torch.clamp_min_, "clamp_min", "clamp_min_"),
        ("clamp_min",),
        {**tensor, "min": _number},
        layer=rewrites.clamp,
    ),
    CallRow(
        "clamp_max",
        (torch.clamp_max, torch.clamp_max_, "clamp_max", "clamp_max_"),
        ("clamp_max",),
        {**tensor, "max": _number},
        rewrite=rewrites.saturate,
    ),
    CallRow(
        "max_pool2d",
        (functional.max_pool2d, torch.max_pool2d),
        ("max_pool2d",),
        {**_pool, "dilation": sizes, "return_indices": only(False)},
        layer=rewrites.made(nn.MaxPool2d, "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    ),
    CallRow(
        "avg_pool2d",
        (functional.avg_pool2d,),
        ("avg_pool2d",),
        {**_pool, "count_include_pad": flag, "divisor_override": anything},
        layer=rewrites.made(
            nn.AvgPool2d,
            "kernel_size",
            "stride",
            "padding",
            "ceil_mode",
            "count_include_pad",
            "divisor_override",
        ),
    ),
    CallRow(
        "adaptive_avg_pool2d",
        (functional.adaptive_avg_pool2d,),
        (),
        {**tensor, "output_size": anything},
        layer=rewrites.made(nn.AdaptiveAvgPool2d, "output_size"),
    ),
    CallRow(
        "adaptive_max_pool2d",
        (functional.adaptive_max_pool2d,),
        ("adaptive_max_pool2d",),
        {**tensor, "output_size": anything, "return_indices": only(False)},
        layer=rewrites.made(nn.AdaptiveMaxPool2d, "output_size"),
    ),
    CallRow(
        "mean",
        (torch.mean, "mean"),
        ("mean.dim",),
        {
            **tensor,
            "dim": where(
                "both sides of the map, (2, 3)",
                rewrites.both_sides,
                "average over the whole map: x.mean((2, 3))",
            ),
            "keepdim": flag,
        },
        rewrite=rewrites.mean,
        fits=rewrites.map_average,
    ),
    CallRow(
        "dropout",
        (functional.dropout,),
        (),
        {**tensor, "p": number, "training": _in_evaluation, "inplace": flag},
        layer=rewrites.dropout(nn.Dropout),
    ),
    CallRow(
        "dropout2d",
        (functional.dropout2d,),
        (),
        {**tensor, "p": number, "training": _in_evaluation, "inplace": flag},
        layer=rewrites.dropout(nn.Dropout2d),
    ),
    CallRow(
        "max_pool1d",
        (functional.max_pool1d, torch.max_pool1d),
        ("max_pool1d",),
        {**_pool, "dilation": sizes, "return_indices": only(False)},
        layer=rewrites.made(nn.MaxPool1d, "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    ),
    CallRow(
        "avg_pool1d",
        (functional.avg_pool1d,),
        ("avg_pool1d",),
        {**_pool, "count_include_pad": flag},
        layer=rewrites.made(
            nn.AvgPool1d, "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"
        ),
    ),
    CallRow(
        "adaptive_avg_pool1d",
        (functional.adaptive_avg_pool1d,),
        ("adaptive_avg_pool1d",),
        {**tensor, "output_size": anything},
        layer=rewrites.made(nn.AdaptiveAvgPool1d, "output_size"),
    ),
    *ELEMENTWISE,
    CallRow(
        "cat",
        names.JOINS,
        ("cat",),
        {
            "tensors": steps,
            "dim": where("channels, rows or columns", rewrites.axis, "join along another dimension"),
        },
        rewrite=rewrites.cat,
    ),
    CallRow(
        "argmax",
        (torch.argmax, "argmax"),
        ("argmax",),
        {**tensor, "dim": _values, "keepdim": flag},
        rewrite=rewrites.largest,
        fits=rewrites.last_vector,
        note="at the end; in training the values pass",
    ),
    CallRow(
        "topk",
        names.TOP,
        ("topk",),
        {**tensor, "k": number, "dim": _values},
        fits=rewrites.only_positions,
        note="at the end, its positions `[1]`; in training the values pass",
    ),
    *(
        CallRow(name, layouts.functions_of(name), (), moves=True, note=_MOVED.get(name, ""))
        for name in dict.fromkeys([*layouts.FUNCTIONS, *layouts.METHODS])
    ),
)
_BY_TARGET: dict[Target, CallRow] = {target: row for row in CALLS for target in row.targets}


def row_of(node: fx.Node) -> CallRow | None:
    """The row of a step that is a function or a method."""
    return _BY_TARGET.get(node.target) if node.op in ("call_function", "call_method") else None
