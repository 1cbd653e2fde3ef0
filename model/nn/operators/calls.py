"""The functions and methods of torch that are understood, each with all its arguments, and the layer that
does the same.

An argument that a row does not name must have its default. ``layer`` makes the layer of ``torch.nn`` that
stands for a call: the arguments then have to pass that layer's own row. Calls that are no layers have
``rewrite``.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from fermatnet.model.nn.operators import rewrites
from fermatnet.model.nn.operators.rules import (
    Rule,
    Site,
    anything,
    flag,
    number,
    one_of,
    only,
    sizes,
    step,
    steps,
    where,
)

__all__ = ["CALLS", "CallRow", "row_of"]

Target = Callable[..., Any] | str


@dataclass(frozen=True)
class CallRow:
    """One operator written as a call. ``schemas``: overloads of torch's library that say which arguments
    exist."""

    name: str
    targets: tuple[Target, ...]
    schemas: tuple[str, ...]
    arguments: dict[str, Rule] = field(default_factory=dict)
    layer: Callable[[Site], nn.Module] | None = None
    rewrite: Callable[[Site], None] = lambda site: None
    fits: Callable[[Site], str] = lambda site: ""
    note: str = ""


_input = {"input": step, "self": step}
_zero = only(0, "only zero as the lower end can be made")
_zero_or_none = one_of(None, 0)
_top = where(
    "a number above 0, or `None`",
    lambda v, s: v is None or (number.holds(v, s) and 0 < v < float("inf")),
    "give max > 0",
)
_positive = where(
    "a number above 0", lambda v, s: number.holds(v, s) and 0 < v < float("inf"), "give a number above 0"
)
_alpha = only(1, "put the factor into the weights of the layer before, or add twice")
_pool = {**_input, "kernel_size": sizes, "stride": anything, "padding": sizes, "ceil_mode": flag}
_in_evaluation = only(False, "write training=self.training: as it is, values are dropped in evaluation too")
_reshaped = {
    **_input,
    "start_dim": where("any", lambda v, s: True),
    "end_dim": where("any", lambda v, s: True),
    **{name: where("any, see the note", lambda v, s: True) for name in ("shape", "size", "dim")},
}

CALLS: tuple[CallRow, ...] = (
    CallRow(
        "relu",
        rewrites.RELUS,
        ("relu",),
        {**_input, "inplace": flag},
        layer=lambda site: nn.ReLU(),
    ),
    CallRow("relu6", (functional.relu6,), (), {**_input, "inplace": flag}, layer=lambda site: nn.ReLU6()),
    CallRow(
        "hardtanh",
        (functional.hardtanh, functional.hardtanh_),
        ("hardtanh",),
        {**_input, "min_val": _zero, "max_val": _positive, "inplace": flag},
        layer=rewrites.clamp,
    ),
    CallRow(
        "threshold",
        (functional.threshold, torch.threshold_),
        ("threshold",),
        {**_input, "threshold": _zero, "value": _zero, "inplace": flag},
        layer=lambda site: nn.ReLU(),
    ),
    CallRow(
        "clamp",
        (torch.clamp, torch.clamp_, torch.clip, torch.clip_, "clamp", "clamp_", "clip", "clip_"),
        ("clamp",),
        {**_input, "min": _zero, "max": _top},
        layer=rewrites.clamp,
    ),
    CallRow(
        "clamp_min",
        (torch.clamp_min, torch.clamp_min_, "clamp_min", "clamp_min_"),
        ("clamp_min",),
        {**_input, "min": _zero},
        layer=rewrites.clamp,
    ),
    CallRow(
        "clamp_max",
        (torch.clamp_max, torch.clamp_max_, "clamp_max", "clamp_max_"),
        ("clamp_max",),
        {
            "self": where(
                "a rectifier that nothing else reads",
                rewrites.is_rectified,
                "put a rectifier before it, or use nn.ReLU6",
            ),
            "max": _positive,
        },
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
        {**_input, "output_size": anything},
        layer=rewrites.made(nn.AdaptiveAvgPool2d, "output_size"),
    ),
    CallRow(
        "adaptive_max_pool2d",
        (functional.adaptive_max_pool2d,),
        ("adaptive_max_pool2d",),
        {**_input, "output_size": anything, "return_indices": only(False)},
        layer=rewrites.made(nn.AdaptiveMaxPool2d, "output_size"),
    ),
    CallRow(
        "mean",
        (torch.mean, "mean"),
        ("mean.dim",),
        {
            **_input,
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
        {**_input, "p": number, "training": _in_evaluation, "inplace": flag},
        layer=rewrites.dropout(nn.Dropout),
    ),
    CallRow(
        "dropout2d",
        (functional.dropout2d,),
        (),
        {**_input, "p": number, "training": _in_evaluation, "inplace": flag},
        layer=rewrites.dropout(nn.Dropout2d),
    ),
    CallRow(
        "pad",
        (functional.pad,),
        (),
        {
            **_input,
            "pad": where(
                "(left, right, top, bottom)",
                lambda v, s: isinstance(v, list | tuple) and len(v) == 4,
                "pad the two sides of the map only",
            ),
            "mode": only("constant", "the hardware pads with zeros"),
            "value": _zero_or_none,
        },
        layer=rewrites.zeros,
        note="before a convolution",
    ),
    CallRow(
        "add",
        (torch.add, operator.add, operator.iadd, "add", "add_"),
        ("add.Tensor",),
        {"self": step, "input": step, "other": step, "alpha": _alpha},
        rewrite=rewrites.add,
        fits=rewrites.same_shapes,
    ),
    CallRow(
        "cat",
        (torch.cat, torch.concat, torch.concatenate),
        ("cat",),
        {
            "tensors": steps,
            "dim": where("the channels, 1", rewrites.channels, "join along the channels: dim=1"),
        },
        rewrite=rewrites.cat,
    ),
    CallRow(
        "flatten",
        (torch.flatten, "flatten"),
        ("flatten.using_ints",),
        _reshaped,
        rewrite=rewrites.flatten,
        fits=rewrites.whole_images,
    ),
    CallRow(
        "reshape",
        (torch.reshape, "reshape"),
        ("reshape",),
        _reshaped,
        rewrite=rewrites.flatten,
        fits=rewrites.whole_images,
        note="to (n, C*H*W)",
    ),
    CallRow(
        "view",
        ("view",),
        ("view",),
        _reshaped,
        rewrite=rewrites.flatten,
        fits=rewrites.whole_images,
        note="to (n, C*H*W)",
    ),
    CallRow(
        "squeeze",
        (torch.squeeze, "squeeze"),
        ("squeeze", "squeeze.dim", "squeeze.dims"),
        _reshaped,
        rewrite=rewrites.flatten,
        fits=rewrites.whole_images,
        note="of maps of one place",
    ),
    CallRow(
        "contiguous",
        ("contiguous",),
        ("contiguous",),
        {**_input, "memory_format": anything},
        layer=lambda site: nn.Identity(),
    ),
    CallRow(
        "clone",
        (torch.clone, "clone"),
        ("clone",),
        {**_input, "memory_format": anything},
        layer=lambda site: nn.Identity(),
    ),
)
_BY_TARGET: dict[Target, CallRow] = {target: row for row in CALLS for target in row.targets}


def row_of(node: fx.Node) -> CallRow | None:
    """The row of a step that is a function or a method."""
    return _BY_TARGET.get(node.target) if node.op in ("call_function", "call_method") else None
