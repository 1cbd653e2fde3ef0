"""The functions and methods of torch that are understood, each with all its arguments, and the layer that does the same.

An argument that a row does not name must have its default. ``layer`` makes the layer of ``torch.nn`` that stands for a call: the
arguments then have to pass that layer's own row. Calls that are no layers have ``rewrite``.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from fermatnet.model.nn.operators.rules import Rule, Site, anything, flag, number, one_of, only, sizes, step, steps, where

__all__ = ["CALLS", "CallRow", "row_of"]

Target = Callable[..., Any] | str


@dataclass(frozen=True)
class CallRow:
    """One operator written as a call. ``schemas``: overloads of torch's library that say which arguments exist."""

    name: str
    targets: tuple[Target, ...]
    schemas: tuple[str, ...]
    arguments: dict[str, Rule] = field(default_factory=dict)
    layer: Callable[[Site], nn.Module] | None = None
    rewrite: Callable[[Site], None] = lambda site: None
    fits: Callable[[Site], str] = lambda site: ""
    note: str = ""


def _made(kind: type[nn.Module], *names: str) -> Callable[[Site], nn.Module]:
    """The layer of that kind with the call's arguments of these names; an empty list is torch's way to write "as the kernel"."""

    def make(site: Site) -> nn.Module:
        given = {name: site.given[name] for name in names if name in site.given}
        return kind(**{name: None if value in ([], ()) else value for name, value in given.items()})

    return make


def _dropout(kind: type[nn.Module]) -> Callable[[Site], nn.Module]:
    return lambda site: kind(site.given["p"]) if site.node.meta.get("trains") else nn.Identity()


def _clamp(site: Site) -> nn.Module:
    top = site.given.get("max", site.given.get("max_val"))
    return nn.ReLU() if top is None else nn.Hardtanh(0.0, float(top))


def _zeros(site: Site) -> nn.Module:
    return nn.ZeroPad2d(tuple(site.given["pad"]))  # type: ignore[arg-type]


def _is_rectified(value: Any, site: Site) -> bool:
    return isinstance(value, fx.Node) and _rectifies(value, site) and len(value.users) == 1


def _rectifies(node: fx.Node, site: Site) -> bool:
    if node.op == "call_module":
        return isinstance(site.layer(node), nn.ReLU)
    row = row_of(node)
    return row is not None and row.name == "relu"


def _read_of(node: fx.Node) -> fx.Node:
    """What a rectifier reads, however the call names it."""
    return node.args[0] if node.args else node.kwargs.get("input", node.kwargs.get("self"))  # type: ignore[return-value]


def _saturate(site: Site) -> None:
    """A rectifier and then an upper end: one layer."""
    first = site.read
    name = f"{site.node.name}_layer"
    site.source.add_module(name, nn.Hardtanh(0.0, float(site.given["max"])))
    site.node.op, site.node.target, site.node.args, site.node.kwargs = "call_module", name, (_read_of(first),), {}  # type: ignore
    site.graph.erase_node(first)  # type: ignore[arg-type]


def _same_shapes(site: Site) -> str:
    read = [site.shapes.get(site.given[name], ()) for name in ("self", "other") if isinstance(site.given.get(name), fx.Node)]
    return "" if len(set(read)) == 1 else f"it adds tensors of {' and '.join(map(str, read))}: both must have the same shape"


def _add(site: Site) -> None:
    site.node.op, site.node.target = "call_function", torch.add
    site.node.args, site.node.kwargs = (site.given["self"], site.given["other"]), {}


def _channels(value: Any, site: Site) -> bool:
    return isinstance(value, int) and value in (1, 1 - len(site.after))


def _cat(site: Site) -> None:
    site.node.op, site.node.target = "call_function", torch.cat
    site.node.args, site.node.kwargs = (list(site.given["tensors"]), 1), {}


def _flatten(site: Site) -> None:
    site.node.op, site.node.target, site.node.args, site.node.kwargs = "call_function", torch.flatten, (site.read, 1), {}


def _whole_images(site: Site) -> str:
    """What a reshape may do: flatten the images, or take sides of one pixel away."""
    before, after = site.before, site.after
    count = 1
    for side in before[1:]:
        count *= side
    flattened = len(before) in (2, 4) and after == (before[0], count)
    squeezed = before[2:] in ((1, 1), (1,)) and after in ((*before[:2], 1), before[:2])
    if flattened or squeezed or after == before:
        return ""
    return f"it turns {before} into {after}: only whole images can be flattened, to (n, C*H*W); write torch.flatten(x, 1)"


def _map_average(site: Site) -> str:
    return "" if len(site.before) == 4 else f"it takes maps (n, C, H, W), here {site.before}"


def _both_sides(value: Any, site: Site) -> bool:
    dimensions = value if isinstance(value, list | tuple) else (value,)
    return len(site.before) == 4 and all(isinstance(d, int) for d in dimensions) and sorted(d % 4 for d in dimensions) == [2, 3]


def _mean(site: Site) -> None:
    """The mean over the map: a pooling layer, and flatten where the map's dimensions go."""
    node, name = site.node, f"{site.node.name}_layer"
    site.source.add_module(name, nn.AvgPool2d(tuple(site.before[2:])))  # type: ignore[arg-type]
    if len(site.after) == 4:
        node.op, node.target, node.args, node.kwargs = "call_module", name, (site.read,), {}
        return
    with site.graph.inserting_before(node):
        pooled = site.graph.create_node("call_module", name, (site.read,))
    site.shapes[pooled] = (*site.after, 1, 1)
    node.op, node.target, node.args, node.kwargs = "call_function", torch.flatten, (pooled, 1), {}


_input = {"input": step, "self": step}
_zero = only(0, "only zero as the lower end can be made")
_zero_or_none = one_of(None, 0)
_top = where("a number above 0, or `None`", lambda v, s: v is None or (number.holds(v, s) and 0 < v < float("inf")), "give max > 0")
_positive = where("a number above 0", lambda v, s: number.holds(v, s) and 0 < v < float("inf"), "give a number above 0")
_alpha = only(1, "put the factor into the weights of the layer before, or add twice")
_pool = {**_input, "kernel_size": sizes, "stride": anything, "padding": sizes, "ceil_mode": flag}
_in_evaluation = only(False, "write training=self.training: as it is, values are dropped in evaluation too")
_reshaped = {**_input, "start_dim": where("any", lambda v, s: True), "end_dim": where("any", lambda v, s: True),
             **{name: where("any, see the note", lambda v, s: True) for name in ("shape", "size", "dim")}}

CALLS: tuple[CallRow, ...] = (
    CallRow("relu", (functional.relu, functional.relu_, torch.relu, torch.relu_, "relu", "relu_"), ("relu",),
            {**_input, "inplace": flag}, layer=lambda site: nn.ReLU()),
    CallRow("relu6", (functional.relu6,), (), {**_input, "inplace": flag}, layer=lambda site: nn.ReLU6()),
    CallRow("hardtanh", (functional.hardtanh, functional.hardtanh_), ("hardtanh",),
            {**_input, "min_val": _zero, "max_val": _positive, "inplace": flag}, layer=_clamp),
    CallRow("threshold", (functional.threshold, functional.threshold_), ("threshold",),
            {**_input, "threshold": _zero, "value": _zero, "inplace": flag}, layer=lambda site: nn.ReLU()),
    CallRow("clamp", (torch.clamp, torch.clamp_, torch.clip, torch.clip_, "clamp", "clamp_", "clip", "clip_"), ("clamp",),
            {**_input, "min": _zero, "max": _top}, layer=_clamp),
    CallRow("clamp_min", (torch.clamp_min, torch.clamp_min_, "clamp_min", "clamp_min_"), ("clamp_min",), {**_input, "min": _zero},
            layer=_clamp),
    CallRow("clamp_max", (torch.clamp_max, torch.clamp_max_, "clamp_max", "clamp_max_"), ("clamp_max",),
            {"self": where("a rectifier that nothing else reads", _is_rectified, "put a rectifier before it, or use nn.ReLU6"),
             "max": _positive}, rewrite=_saturate),
    CallRow("max_pool2d", (functional.max_pool2d, torch.max_pool2d), ("max_pool2d",),
            {**_pool, "dilation": sizes, "return_indices": only(False)},
            layer=_made(nn.MaxPool2d, "kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    CallRow("avg_pool2d", (functional.avg_pool2d,), ("avg_pool2d",),
            {**_pool, "count_include_pad": flag, "divisor_override": anything},
            layer=_made(nn.AvgPool2d, "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")),
    CallRow("adaptive_avg_pool2d", (functional.adaptive_avg_pool2d,), (), {**_input, "output_size": anything},
            layer=_made(nn.AdaptiveAvgPool2d, "output_size")),
    CallRow("adaptive_max_pool2d", (functional.adaptive_max_pool2d,), ("adaptive_max_pool2d",),
            {**_input, "output_size": anything, "return_indices": only(False)}, layer=_made(nn.AdaptiveMaxPool2d, "output_size")),
    CallRow("mean", (torch.mean, "mean"), ("mean.dim",),
            {**_input, "dim": where("both sides of the map, (2, 3)", _both_sides, "average over the whole map: x.mean((2, 3))"),
             "keepdim": flag}, rewrite=_mean, fits=_map_average),
    CallRow("dropout", (functional.dropout,), (), {**_input, "p": number, "training": _in_evaluation, "inplace": flag},
            layer=_dropout(nn.Dropout)),
    CallRow("dropout2d", (functional.dropout2d,), (), {**_input, "p": number, "training": _in_evaluation, "inplace": flag},
            layer=_dropout(nn.Dropout2d)),
    CallRow("pad", (functional.pad,), (),
            {**_input, "pad": where("(left, right, top, bottom)", lambda v, s: isinstance(v, list | tuple) and len(v) == 4,
                                    "pad the two sides of the map only"),
             "mode": only("constant", "the hardware pads with zeros"), "value": _zero_or_none}, layer=_zeros,
            note="before a convolution"),
    CallRow("add", (torch.add, operator.add, operator.iadd, "add", "add_"), ("add.Tensor",),
            {"self": step, "input": step, "other": step, "alpha": _alpha}, rewrite=_add, fits=_same_shapes),
    CallRow("cat", (torch.cat, torch.concat, torch.concatenate), ("cat",),
            {"tensors": steps, "dim": where("the channels, 1", _channels, "join along the channels: dim=1")}, rewrite=_cat),
    CallRow("flatten", (torch.flatten, "flatten"), ("flatten.using_ints",), _reshaped, rewrite=_flatten, fits=_whole_images),
    CallRow("reshape", (torch.reshape, "reshape"), ("reshape",), _reshaped, rewrite=_flatten, fits=_whole_images,
            note="to (n, C*H*W)"),
    CallRow("view", ("view",), ("view",), _reshaped, rewrite=_flatten, fits=_whole_images, note="to (n, C*H*W)"),
    CallRow("squeeze", (torch.squeeze, "squeeze"), ("squeeze", "squeeze.dim", "squeeze.dims"), _reshaped, rewrite=_flatten,
            fits=_whole_images, note="of maps of one place"),
    CallRow("contiguous", ("contiguous",), ("contiguous",), {**_input, "memory_format": anything}, layer=lambda site: nn.Identity()),
    CallRow("clone", (torch.clone, "clone"), ("clone",), {**_input, "memory_format": anything}, layer=lambda site: nn.Identity()),
)
_BY_TARGET: dict[Target, CallRow] = {target: row for row in CALLS for target in row.targets}


def row_of(node: fx.Node) -> CallRow | None:
    """The row of a step that is a function or a method."""
    if node.op not in ("call_function", "call_method") or not isinstance(node.target, str | Callable):  # type: ignore[arg-type]
        return None
    return _BY_TARGET.get(node.target)
