"""The layers of ``torch.nn`` that are understood, each with all its arguments.

An argument that a row does not name must have its default. A row may also judge the tensors around the layer
(``fits``: "" or what is wrong), and bring the layer into its plainest form (``simplify``). Layers that only
move values (``moves``) are judged by what they do to places (:mod:`fermatnet.model.nn.operators.layouts`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from fermatnet.model.nn.operators import fits, interpolated, lifted
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
    moves: bool = False


_bound = where("a number", lambda v, site: number.holds(v, site) and v == v, "give a number")
_norm = {
    "num_features": anything,
    "eps": number,
    "momentum": where("any number or `None`", lambda v, s: v is None or number.holds(v, s)),
    "affine": flag,
    "bias": anything,
    "track_running_stats": only(True, "a norm needs running statistics"),
}

_TABLE = "an exact table of the quantized input"
_ZEROS = "zeros, channels and places that stay"
_MOVES: tuple[tuple[type[nn.Module], str, str], ...] = (
    (nn.Flatten, "start_dim end_dim", "also of maps that join"),
    (nn.Unflatten, "dim unflattened_size", ""),
    (nn.ChannelShuffle, "groups", ""),
    (nn.PixelShuffle, "upscale_factor", ""),
    (nn.PixelUnshuffle, "downscale_factor", ""),
    (
        nn.Upsample,
        "size scale_factor mode align_corners recompute_scale_factor name",
        "nearest, linear or bilinear, whole factors",
    ),
    (
        nn.UpsamplingNearest2d,
        "size scale_factor mode align_corners recompute_scale_factor name",
        "whole factors",
    ),
    *(
        (kind, "padding value", "zeros")
        for kind in (nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d)
    ),
    *(
        (kind, "padding", "")
        for kind in (
            nn.ReflectionPad1d,
            nn.ReflectionPad2d,
            nn.ReplicationPad1d,
            nn.ReplicationPad2d,
            nn.CircularPad1d,
            nn.CircularPad2d,
        )
    ),
)
_conv = {
    "in_channels": anything,
    "out_channels": anything,
    "kernel_size": sizes,
    "stride": sizes,
    "dilation": sizes,
    "groups": anything,
    "bias": anything,
    "output_padding": one_of(0, (0,), (0, 0)),
    "padding": where('numbers, `"valid"` or `"same"`', fits.padding),
    "padding_mode": one_of("zeros", "reflect", "replicate", "circular"),
}
_transposed = {
    **_conv,
    "output_padding": sizes,
    "padding": sizes,
    "padding_mode": only("zeros"),
}
_no_indices = only(False, "positions have no place in the hardware")
_maximum = {
    "kernel_size": sizes,
    "stride": sizes,
    "padding": sizes,
    "ceil_mode": flag,
    "dilation": one_of(1, (1,), (1, 1), instead="pool without dilation"),
    "return_indices": _no_indices,
}
_average = {
    "kernel_size": sizes,
    "stride": sizes,
    "padding": sizes,
    "ceil_mode": flag,
    "count_include_pad": flag,
}
_divisor = where("`None` or a number above 0", lambda v, s: v is None or v > 0)

_ROWS = (
    ModuleRow(nn.Conv2d, _conv, fits.maps, lifted.pad_before),
    ModuleRow(nn.Conv1d, _conv, fits.rows, lifted.conv, note="of rows (n, C, L)"),
    ModuleRow(nn.ConvTranspose2d, _transposed, fits.transposed, lifted.transposed),
    ModuleRow(nn.ConvTranspose1d, _transposed, fits.transposed, lifted.transposed, note="of rows (n, C, L)"),
    ModuleRow(nn.Linear, {"in_features": anything, "out_features": anything, "bias": anything}, fits.vectors),
    ModuleRow(nn.BatchNorm2d, _norm, lambda site: fits.maps(site) or fits.batch_norm(site)),
    ModuleRow(nn.BatchNorm1d, _norm, fits.vector_norm, note="of vectors (n, C) and rows (n, C, L)"),
    ModuleRow(nn.ReLU, {"inplace": flag}),
    ModuleRow(
        nn.ReLU6,
        {"inplace": flag, "min_val": _bound, "max_val": _bound},
        note="saturates at 6 in integers too",
    ),
    ModuleRow(
        nn.Hardtanh,
        {"inplace": flag, "min_val": _bound, "max_val": _bound, "min_value": anything, "max_value": anything},
    ),
    ModuleRow(nn.Threshold, {"threshold": _bound, "value": _bound, "inplace": flag}),
    ModuleRow(nn.LeakyReLU, {"negative_slope": _bound, "inplace": flag}, note=_TABLE),
    ModuleRow(
        nn.PReLU,
        {"num_parameters": anything, "init": anything},
        note=f"{_TABLE}; slopes of channels in fixed point",
    ),
    *(
        ModuleRow(kind, note=_TABLE)
        for kind in (nn.Sigmoid, nn.Tanh, nn.Softsign, nn.LogSigmoid, nn.Tanhshrink)
    ),
    *(
        ModuleRow(kind, {"inplace": flag}, note=_TABLE)
        for kind in (nn.Hardsigmoid, nn.Hardswish, nn.SiLU, nn.Mish, nn.SELU)
    ),
    *(ModuleRow(kind, {"alpha": _bound, "inplace": flag}, note=_TABLE) for kind in (nn.ELU, nn.CELU)),
    ModuleRow(nn.GELU, {"approximate": one_of("none", "tanh")}, note=_TABLE),
    ModuleRow(nn.Softplus, {"beta": _bound, "threshold": _bound}, note=_TABLE),
    *(ModuleRow(kind, {"lambd": _bound}, note=_TABLE) for kind in (nn.Softshrink, nn.Hardshrink)),
    ModuleRow(nn.MaxPool2d, _maximum, fits.maps),
    ModuleRow(nn.MaxPool1d, _maximum, fits.rows, lifted.pool, note="of rows (n, C, L)"),
    ModuleRow(nn.AvgPool2d, {**_average, "divisor_override": _divisor}, fits.maps),
    ModuleRow(nn.AvgPool1d, _average, fits.rows, lifted.pool, note="of rows (n, C, L)"),
    ModuleRow(
        nn.AdaptiveAvgPool2d,
        {"output_size": where("sizes that divide the map", fits.divides, "average over equal windows")},
        fits.maps,
        fits.as_window(nn.AvgPool2d),
    ),
    ModuleRow(
        nn.AdaptiveAvgPool1d,
        {"output_size": where("a size that divides the row", fits.divides, "average over equal windows")},
        fits.rows,
        fits.as_window(nn.AvgPool2d),
        note="of rows (n, C, L)",
    ),
    ModuleRow(
        nn.AdaptiveMaxPool2d,
        {
            "output_size": where("sizes that divide the map", fits.divides, "pool equal windows"),
            "return_indices": _no_indices,
        },
        fits.maps,
        fits.as_window(nn.MaxPool2d),
    ),
    ModuleRow(
        nn.AdaptiveMaxPool1d,
        {
            "output_size": where("a size that divides the row", fits.divides, "pool equal windows"),
            "return_indices": _no_indices,
        },
        fits.rows,
        fits.as_window(nn.MaxPool2d),
        note="of rows (n, C, L)",
    ),
    *(
        ModuleRow(
            kind,
            dict.fromkeys(names.split(), anything),
            interpolated.fits,
            interpolated.simplify,
            moves=True,
            note=note,
        )
        for kind, names, note in _MOVES
    ),
    ModuleRow(nn.Identity),
    ModuleRow(nn.Dropout, {"p": number, "inplace": flag}),
    ModuleRow(nn.Dropout2d, {"p": number, "inplace": flag}),
    ModuleRow(nn.Dropout1d, {"p": number, "inplace": flag}, simplify=lifted.dropout),
)
MODULES: dict[type, ModuleRow] = {row.kind: row for row in _ROWS}
