"""The layers of ``torch.nn`` that are understood, each with all its arguments.

An argument that a row does not name must have its default. A row may also judge the tensors around the layer
(``fits``: "" or what is wrong), and bring the layer into its plainest form (``simplify``).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from fermatnet.model.nn.operators import fits
from fermatnet.model.nn.operators.rules import (
    Rule,
    Site,
    anything,
    flag,
    number,
    one_of,
    only,
    sizes,
    where,
)

__all__ = ["MODULES", "ModuleRow"]


@dataclass(frozen=True)
class ModuleRow:
    """One layer: accepted values by argument, the tensors it may stand between, and its plainest form."""

    kind: type[nn.Module]
    arguments: dict[str, Rule] = field(default_factory=dict)
    fits: Callable[[Site], str] = lambda site: ""
    simplify: Callable[[Site], None] = lambda site: None
    note: str = ""


_ASYMMETRIC = "pad by the same on both sides, with nn.Conv2d(padding=)"
_ceil = where(
    "`False`, or `True` where the windows fill the map",
    fits.no_gaps,
    "choose kernel and stride that fill the map, or pad",
)
_zero = only(0, "only zero as the lower end can be made: use nn.ReLU, nn.ReLU6 or nn.Hardtanh(0, c)")
_top = where(
    "a number above 0",
    lambda v, site: number.holds(v, site) and 0 < v < float("inf"),
    "use nn.Hardtanh(0, c) with c > 0",
)
_norm = {
    "num_features": anything,
    "eps": number,
    "momentum": where("any number or `None`", lambda v, s: v is None or number.holds(v, s)),
    "affine": flag,
    "bias": anything,
    "track_running_stats": only(True, "a norm needs running statistics"),
}

_ROWS = (
    ModuleRow(
        nn.Conv2d,
        {
            "in_channels": anything,
            "out_channels": anything,
            "kernel_size": sizes,
            "stride": sizes,
            "dilation": sizes,
            "groups": anything,
            "bias": anything,
            "output_padding": one_of(0, (0, 0)),
            "padding": where(
                'numbers, `"valid"`, or `"same"` where both sides get as much', fits.padding, _ASYMMETRIC
            ),
            "padding_mode": only("zeros", "the hardware pads with zeros"),
        },
        fits.maps,
        fits.number_padding,
    ),
    ModuleRow(nn.Linear, {"in_features": anything, "out_features": anything, "bias": anything}, fits.vectors),
    ModuleRow(nn.BatchNorm2d, _norm, lambda site: fits.maps(site) or fits.batch_norm(site)),
    ModuleRow(nn.BatchNorm1d, _norm, fits.vector_norm, note="of vectors (n, C)"),
    ModuleRow(nn.ReLU, {"inplace": flag}),
    ModuleRow(
        nn.ReLU6, {"inplace": flag, "min_val": _zero, "max_val": _top}, note="saturates at 6 in integers too"
    ),
    ModuleRow(
        nn.Hardtanh,
        {"inplace": flag, "min_val": _zero, "max_val": _top, "min_value": anything, "max_value": anything},
    ),
    ModuleRow(nn.Threshold, {"threshold": _zero, "value": _zero, "inplace": flag}, note="the rectifier"),
    ModuleRow(
        nn.MaxPool2d,
        {
            "kernel_size": sizes,
            "stride": sizes,
            "padding": sizes,
            "ceil_mode": _ceil,
            "dilation": one_of(1, (1, 1), instead="pool without dilation"),
            "return_indices": only(False, "positions have no place in the hardware"),
        },
        fits.maps,
        fits.floor_mode,
    ),
    ModuleRow(
        nn.AvgPool2d,
        {
            "kernel_size": sizes,
            "stride": where("the kernel's size", fits.own_stride, "average over disjoint windows"),
            "padding": one_of(0, (0, 0), instead="average without padding"),
            "ceil_mode": _ceil,
            "count_include_pad": flag,
            "divisor_override": where("`None` or a number above 0", lambda v, s: v is None or v > 0),
        },
        fits.whole_windows,
        fits.floor_mode,
    ),
    ModuleRow(
        nn.AdaptiveAvgPool2d,
        {"output_size": where("sizes that divide the map", fits.divides, "average over equal windows")},
        fits.maps,
        fits.as_window(nn.AvgPool2d),
    ),
    ModuleRow(
        nn.AdaptiveMaxPool2d,
        {
            "output_size": where("sizes that divide the map", fits.divides, "pool equal windows"),
            "return_indices": only(False, "positions have no place in the hardware"),
        },
        fits.maps,
        fits.as_window(nn.MaxPool2d),
    ),
    ModuleRow(
        nn.ZeroPad2d,
        {
            "padding": where("the same on both sides, not negative", fits.symmetric, _ASYMMETRIC),
            "value": only(0),
        },
        fits.pads_a_convolution,
        fits.fold_padding,
        note="before a convolution",
    ),
    ModuleRow(
        nn.Flatten, {"start_dim": anything, "end_dim": anything}, fits.flattens, note="of the whole image"
    ),
    ModuleRow(nn.Identity),
    ModuleRow(nn.Dropout, {"p": number, "inplace": flag}),
    ModuleRow(nn.Dropout2d, {"p": number, "inplace": flag}),
)
MODULES: dict[type, ModuleRow] = {row.kind: row for row in _ROWS}
