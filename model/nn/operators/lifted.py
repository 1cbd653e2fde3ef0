"""Layers in the forms that the twin has: rows (n, C, L) as maps of one row, padding of every kind as places
before a convolution, a transposed convolution as zeros between pixels and a convolution.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.nn.moves import Gather, Insert
from fermatnet.model.nn.operators.layouts import canonical
from fermatnet.model.nn.operators.rules import Site, pair

__all__ = ["conv", "dropout", "move_before", "pad_before", "pool", "transposed"]

_NO_PADDING = (0, 0)


def move_before(site: Site, move: nn.Module) -> None:
    """Let ``move``, or another layer without weights, do its work on what the step reads."""
    name = f"{site.node.name}_places"
    while hasattr(site.source, name):
        name += "_again"
    site.source.add_module(name, move)
    with site.graph.inserting_before(site.node):
        step = site.graph.create_node("call_module", name, (site.read,))
    before = (site.before[0], *canonical(site.before)) if len(site.before) == 3 else site.before
    site.shapes[step] = tuple(move(torch.zeros(before)).shape)
    site.node.args = (step, *site.node.args[1:])


def _put(site: Site, key: str, layer: nn.Module) -> None:
    """``layer`` in the step's place; a layer that is used twice stays one. The owner's name of it stays in
    ``meta["module"]``."""
    site.node.meta["module"] = str(site.node.target)
    name = f"{str(site.node.target).replace('.', '_')}_{key}"
    if not hasattr(site.source, name):
        site.source.add_module(name, layer)
    site.node.target = name
    site.module = site.source.get_submodule(name)


def _shared(site: Site, weight: nn.Parameter, values: Tensor) -> nn.Parameter:
    """One new parameter for each of the source's, so that tied weights stay tied."""
    known: dict[Any, Any] = site.source.__dict__.setdefault("_lifted_weights", {})
    key = (id(weight), tuple(values.shape))
    if key not in known:
        made = nn.Parameter(values.detach().clone(), requires_grad=weight.requires_grad)
        known[key] = (made, weight)  # the old one is kept, so that its number stays its own
    return known[key][0]


def conv(site: Site) -> None:
    """A convolution of rows as one of maps."""
    old = site.module
    made: Any = nn.Conv2d(
        old.in_channels,
        old.out_channels,
        (1, *old.kernel_size),
        (1, *old.stride),
        old.padding if isinstance(old.padding, str) else (0, *old.padding),
        (1, *old.dilation),
        old.groups,
        old.bias is not None,
        old.padding_mode,
    )
    made._reversed_padding_repeated_twice = [*old._reversed_padding_repeated_twice, 0, 0]
    made.weight = _shared(site, old.weight, old.weight.unsqueeze(2))
    made.bias = old.bias
    _put(site, "rows", made)
    pad_before(site)


def _amount(module: Any) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) of a convolution's padding, however it is written."""
    if module.padding_mode != "zeros":  # what torch's own forward pads by, whatever ``padding`` says now
        left, right, top, bottom = module._reversed_padding_repeated_twice
        return left, right, top, bottom
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        (top, left), (bottom, right) = ([t // 2 for t in total], [t - t // 2 for t in total])
        return left, right, top, bottom
    vertical, horizontal = pair(module.padding)
    return horizontal, horizontal, vertical, vertical


def pad_before(site: Site) -> None:
    """Writes a padding that is even and of zeros as numbers; any other becomes places before the layer."""
    module = site.module
    # of a layer that is used twice the first use has changed it
    left, right, top, bottom = module.__dict__.setdefault("_own_padding", _amount(module))
    mode = module.padding_mode
    if mode == "zeros" and left == right and top == bottom:
        module.padding = (top, left)
        return
    module.padding = _NO_PADDING
    module._reversed_padding_repeated_twice = [0, 0, 0, 0]
    if left or right or top or bottom:
        height, width = (1, *site.before[2:])[-2:]
        rows, columns = _padded(height, top, bottom, mode), _padded(width, left, right, mode)
        move_before(site, Gather(None, rows, columns))


def _padded(extent: int, before: int, after: int, mode: str) -> list[int] | None:
    """Places of one direction with padding; None where there is none."""
    if not before and not after:
        return None
    places = torch.arange(extent, dtype=torch.float64).view(1, 1, -1)
    if mode == "zeros":
        return functional.pad(places, (before, after), value=-1.0).view(-1).long().tolist()
    return functional.pad(places, (before, after), mode).view(-1).long().tolist()


def pool(site: Site) -> None:
    """A pool of rows as one of maps."""
    old = site.module
    kernel, stride, padding = (
        (1, x[0] if isinstance(x, tuple) else x) for x in (old.kernel_size, old.stride, old.padding)
    )
    padding = (0, padding[1])
    if isinstance(old, nn.MaxPool1d):
        made: nn.Module = nn.MaxPool2d(kernel, stride, padding, ceil_mode=old.ceil_mode)
    else:
        made = nn.AvgPool2d(kernel, stride, padding, old.ceil_mode, old.count_include_pad)
    _put(site, "rows", made)


def dropout(site: Site) -> None:
    """Whole channels of rows are whole channels of maps."""
    _put(site, "rows", nn.Dropout2d(site.module.p))


def transposed(site: Site) -> None:
    """Zeros between the pixels, and a convolution with the kernel turned round and the groups' channels
    exchanged."""
    old: Any = site.module
    row = isinstance(old, nn.ConvTranspose1d)
    one, none = ((1,), (0,)) if row else ((), ())
    kernel, stride, dilation = ((*one, *x) for x in (old.kernel_size, old.stride, old.dilation))
    padding, more = ((*none, *x) for x in (old.padding, old.output_padding))
    weight = old.weight.unsqueeze(2) if row else old.weight
    inputs, outputs = weight.shape[0] // old.groups, weight.shape[1]
    turned = weight.unflatten(0, (old.groups, inputs)).transpose(1, 2).flatten(0, 1).flip(2, 3)
    made: Any = nn.Conv2d(
        old.in_channels,
        outputs * old.groups,
        kernel,
        dilation=dilation,
        groups=old.groups,
        bias=old.bias is not None,
    )
    made.weight = _shared(site, old.weight, turned)
    made.bias = old.bias
    sides = (1, *site.before[2:])[-2:]
    if max(stride) > 1:
        move_before(site, Insert(stride))
    places = []
    for axis in range(2):
        reach = dilation[axis] * (kernel[axis] - 1) - padding[axis]
        end = reach + more[axis] - (stride[axis] - 1)
        places.append(_padded(sides[axis] * stride[axis], reach, end, "zeros"))
    if any(one is not None for one in places):
        move_before(site, Gather(None, *places))
    _put(site, "turned", made)
