"""The layers of ``torch.nn`` that are understood, each with all its arguments.

An argument that a row does not name must have its default. A row may also judge the tensors around the layer (``fits``: "" or what is
wrong), and bring the layer into its plainest form (``simplify``).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from fermatnet.model.nn.operators.rules import Rule, Site, anything, flag, number, one_of, only, pair, sizes, where

__all__ = ["MODULES", "ModuleRow"]


@dataclass(frozen=True)
class ModuleRow:
    """One layer: accepted values by argument, the tensors it may stand between, and its plainest form."""

    kind: type[nn.Module]
    arguments: dict[str, Rule] = field(default_factory=dict)
    fits: Callable[[Site], str] = lambda site: ""
    simplify: Callable[[Site], None] = lambda site: None
    note: str = ""


def _maps(site: Site) -> str:
    return "" if len(site.before) == 4 else f"it takes maps (n, C, H, W), here {site.before}: keep the map, or use a dense layer"


def _vectors(site: Site) -> str:
    if len(site.before) == 2:
        return ""
    return f"it takes vectors (n, C), here {site.before}: put nn.Flatten() before it"


def _same_amount(site: Site) -> tuple[int, int] | None:
    """Padding on either side with which "same" is symmetric, or None."""
    module = site.module
    total = [d * (k - 1) for d, k in zip(pair(module.dilation), pair(module.kernel_size), strict=True)]
    return None if any(t % 2 for t in total) else (total[0] // 2, total[1] // 2)


def _padding(value: Any, site: Site) -> bool:
    return value == "valid" or (_same_amount(site) is not None if value == "same" else sizes.holds(value, site))


def _number_padding(site: Site) -> None:
    if isinstance(site.module.padding, str):
        site.module.padding = (0, 0) if site.module.padding == "valid" else _same_amount(site)


def _batch_norm(site: Site) -> str:
    if site.module.running_mean is None or site.module.running_var is None:
        return "it keeps no running statistics, so that its result depends on the batch: use track_running_stats=True and train it"
    return ""


def _vector_norm(site: Site) -> str:
    node, wrong = site.node.args[0], _vectors(site) or _batch_norm(site)
    while not wrong and isinstance(node, fx.Node) and node.args:
        before = node.args[0]
        if isinstance(before, fx.Node) and len(site.shapes.get(before, ())) == 4 and len(site.shapes.get(node, ())) == 2:
            area = site.shapes[before][2] * site.shapes[before][3]
            return "" if area == 1 else "it norms every place of a flattened map by itself: put nn.BatchNorm2d before the flatten"
        if isinstance(site.layer(node), nn.Linear):
            break
        node = before
    return wrong


def _no_gaps(value: Any, site: Site) -> bool:
    """ceil_mode changes nothing where the windows fill the map."""
    if not value or len(site.before) != 4:
        return not value
    module = site.module
    sides = zip(site.before[2:], pair(module.kernel_size), pair(module.stride), pair(module.padding), strict=True)
    return all((side + 2 * p - k) % s == 0 for side, k, s, p in sides)


def _floor_mode(site: Site) -> None:
    site.module.ceil_mode = False


def _whole_windows(site: Site) -> str:
    if wrong := _maps(site):
        return wrong
    module, map_size = site.module, site.before[2:]
    kernel = pair(module.kernel_size)
    if any(side % k for side, k in zip(map_size, kernel, strict=True)):
        return f"its windows of {kernel[0]}x{kernel[1]} do not fill the map of {map_size[0]}x{map_size[1]}: choose one that divides it"
    return ""


def _own_stride(value: Any, site: Site) -> bool:
    return pair(value) == pair(site.module.kernel_size) or pair(site.module.kernel_size) == site.before[2:]


def _divides(value: Any, site: Site) -> bool:
    if len(site.before) != 4:
        return False
    wanted = [side if w is None else w for w, side in zip(pair(value), site.before[2:], strict=True)]
    return all(isinstance(w, int) and w > 0 and side % w == 0 for w, side in zip(wanted, site.before[2:], strict=True))


def _as_window(kind: type[nn.Module]) -> Callable[[Site], None]:
    """An adaptive pool whose places divide the map is a pool of equal windows."""

    def simplify(site: Site) -> None:
        wanted = [side if w is None else w for w, side in zip(pair(site.module.output_size), site.before[2:], strict=True)]
        kernel = (site.before[2] // wanted[0], site.before[3] // wanted[1])
        name = f"{site.node.name}_window"
        site.source.add_module(name, kind(kernel))
        site.node.target = name

    return simplify


def _flattens(site: Site) -> str:
    before, after = site.before, site.after
    count = 1
    for side in before[1:]:
        count *= side
    if len(before) in (2, 4) and after == (before[0], count):
        return ""
    return f"it turns {before} into {after}: only whole images can be flattened, to (n, C*H*W); write nn.Flatten() or torch.flatten(x, 1)"


def _pads_a_convolution(site: Site) -> str:
    """Zeros around a map become the padding of the convolutions that read it."""
    if wrong := _maps(site):
        return wrong
    users = list(site.node.users)
    layers = [site.layer(user) for user in users]
    steps = [node for node in site.graph.nodes if node.op == "call_module"]
    once = all(sum(other.target == user.target for other in steps) == 1 for user in users)
    if users and once and all(isinstance(layer, nn.Conv2d) and layer.padding != "same" for layer in layers):
        return ""
    return "zeros can only be put around the input of a convolution that is used once: write padding= at the layer that needs it"


def _fold_padding(site: Site) -> None:
    left, _, top, _ = padding_of(site.module.padding)
    for user in list(site.node.users):
        layer = site.layer(user)
        own = (0, 0) if layer.padding == "valid" else pair(layer.padding)
        layer.padding = (own[0] + top, own[1] + left)
        layer._reversed_padding_repeated_twice = [own[1] + left] * 2 + [own[0] + top] * 2
    site.node.replace_all_uses_with(site.node.args[0])  # type: ignore[arg-type]
    site.graph.erase_node(site.node)


def padding_of(value: Any) -> tuple[int, int, int, int]:
    """(left, right, top, bottom)."""
    return (value,) * 4 if isinstance(value, int) else tuple(value)  # type: ignore[return-value]


def _symmetric(value: Any, site: Site) -> bool:
    sides = padding_of(value)
    return len(sides) == 4 and min(sides) >= 0 and sides[0] == sides[1] and sides[2] == sides[3]


_ASYMMETRIC = "pad by the same on both sides, with nn.Conv2d(padding=)"
_ceil = where("`False`, or `True` where the windows fill the map", _no_gaps, "choose kernel and stride that fill the map, or pad")
_zero = only(0, "only zero as the lower end can be made: use nn.ReLU, nn.ReLU6 or nn.Hardtanh(0, c)")
_top = where("a number above 0", lambda v, site: number.holds(v, site) and 0 < v < float("inf"), "use nn.Hardtanh(0, c) with c > 0")
_norm = {"num_features": anything, "eps": number, "momentum": where("any number or `None`", lambda v, s: v is None or number.holds(v, s)),
         "affine": flag, "bias": anything, "track_running_stats": only(True, "a norm needs running statistics")}

_ROWS = (
    ModuleRow(nn.Conv2d, {
        "in_channels": anything, "out_channels": anything, "kernel_size": sizes, "stride": sizes, "dilation": sizes, "groups": anything,
        "bias": anything, "output_padding": one_of(0, (0, 0)),
        "padding": where('numbers, `"valid"`, or `"same"` where both sides get as much', _padding, _ASYMMETRIC),
        "padding_mode": only("zeros", "the hardware pads with zeros"),
    }, _maps, _number_padding),
    ModuleRow(nn.Linear, {"in_features": anything, "out_features": anything, "bias": anything}, _vectors),
    ModuleRow(nn.BatchNorm2d, _norm, lambda site: _maps(site) or _batch_norm(site)),
    ModuleRow(nn.BatchNorm1d, _norm, _vector_norm, note="of vectors (n, C)"),
    ModuleRow(nn.ReLU, {"inplace": flag}),
    ModuleRow(nn.ReLU6, {"inplace": flag, "min_val": _zero, "max_val": _top}, note="saturates at 6 in integers too"),
    ModuleRow(nn.Hardtanh, {"inplace": flag, "min_val": _zero, "max_val": _top, "min_value": anything, "max_value": anything}),
    ModuleRow(nn.Threshold, {"threshold": _zero, "value": _zero, "inplace": flag}, note="the rectifier"),
    ModuleRow(nn.MaxPool2d, {"kernel_size": sizes, "stride": sizes, "padding": sizes, "ceil_mode": _ceil,
                             "dilation": one_of(1, (1, 1), instead="pool without dilation"),
                             "return_indices": only(False, "positions have no place in the hardware")}, _maps, _floor_mode),
    ModuleRow(nn.AvgPool2d, {"kernel_size": sizes, "stride": where("the kernel's size", _own_stride, "average over disjoint windows"),
                             "padding": one_of(0, (0, 0), instead="average without padding"), "ceil_mode": _ceil,
                             "count_include_pad": flag,
                             "divisor_override": where("`None` or a number above 0", lambda v, s: v is None or v > 0)},
              _whole_windows, _floor_mode),
    ModuleRow(nn.AdaptiveAvgPool2d, {"output_size": where("sizes that divide the map", _divides, "average over equal windows")},
              _maps, _as_window(nn.AvgPool2d)),
    ModuleRow(nn.AdaptiveMaxPool2d, {"output_size": where("sizes that divide the map", _divides, "pool equal windows"),
                                     "return_indices": only(False, "positions have no place in the hardware")},
              _maps, _as_window(nn.MaxPool2d)),
    ModuleRow(nn.ZeroPad2d, {"padding": where("the same on both sides, not negative", _symmetric, _ASYMMETRIC), "value": only(0)},
              _pads_a_convolution, _fold_padding, note="before a convolution"),
    ModuleRow(nn.Flatten, {"start_dim": anything, "end_dim": anything}, _flattens, note="of the whole image"),
    ModuleRow(nn.Identity),
    ModuleRow(nn.Dropout, {"p": number, "inplace": flag}),
    ModuleRow(nn.Dropout2d, {"p": number, "inplace": flag}),
)
MODULES: dict[type, ModuleRow] = {row.kind: row for row in _ROWS}
