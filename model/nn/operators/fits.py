"""Whether a layer of the table fits between the tensors around it ("" or what is wrong), which values of an
argument change nothing, and how a layer comes into its plainest form.
"""

from collections.abc import Callable
from typing import Any

from torch import fx, nn

from fermatnet.model.nn.operators.rules import Site, pair, sizes

__all__ = [
    "as_window",
    "batch_norm",
    "divides",
    "flattens",
    "floor_mode",
    "fold_padding",
    "maps",
    "no_gaps",
    "number_padding",
    "own_stride",
    "padding",
    "padding_of",
    "pads_a_convolution",
    "same_amount",
    "symmetric",
    "vector_norm",
    "vectors",
    "whole_windows",
]


def maps(site: Site) -> str:
    """Empty where maps (n, C, H, W) come in, else what is wrong."""
    return (
        ""
        if len(site.before) == 4
        else f"it takes maps (n, C, H, W), here {site.before}: keep the map, or use a dense layer"
    )


def vectors(site: Site) -> str:
    """Empty where vectors (n, C) come in, else what is wrong."""
    if len(site.before) == 2:
        return ""
    return f"it takes vectors (n, C), here {site.before}: put nn.Flatten() before it"


def same_amount(site: Site) -> tuple[int, int] | None:
    """Padding on either side with which "same" is symmetric, or None."""
    module = site.module
    total = [d * (k - 1) for d, k in zip(pair(module.dilation), pair(module.kernel_size), strict=True)]
    return None if any(t % 2 for t in total) else (total[0] // 2, total[1] // 2)


def padding(value: Any, site: Site) -> bool:
    """Whether a padding is a number, "valid", or a "same" that is symmetric."""
    return value == "valid" or (
        same_amount(site) is not None if value == "same" else sizes.holds(value, site)
    )


def number_padding(site: Site) -> None:
    """Writes a padding that is a word as numbers."""
    if isinstance(site.module.padding, str):
        site.module.padding = (0, 0) if site.module.padding == "valid" else same_amount(site)


def batch_norm(site: Site) -> str:
    """Empty for a batch norm that keeps running statistics, else what is wrong."""
    if site.module.running_mean is None or site.module.running_var is None:
        return (
            "it keeps no running statistics, so that its result depends on the batch: "
            "use track_running_stats=True and train it"
        )
    return ""


def vector_norm(site: Site) -> str:
    """Empty for a norm of vectors that a dense layer, or a map of one pixel, gives, else what is wrong."""
    node, wrong = site.node.args[0], vectors(site) or batch_norm(site)
    while not wrong and isinstance(node, fx.Node) and node.args:
        before = node.args[0]
        if (
            isinstance(before, fx.Node)
            and len(site.shapes.get(before, ())) == 4
            and len(site.shapes.get(node, ())) == 2
        ):
            area = site.shapes[before][2] * site.shapes[before][3]
            whole = "it norms every place of a flattened map by itself: put nn.BatchNorm2d before the flatten"
            return "" if area == 1 else whole
        if isinstance(site.layer(node), nn.Linear):
            break
        node = before
    return wrong


def no_gaps(value: Any, site: Site) -> bool:
    """ceil_mode changes nothing where the windows fill the map."""
    if not value or len(site.before) != 4:
        return not value
    module = site.module
    sides = zip(
        site.before[2:], pair(module.kernel_size), pair(module.stride), pair(module.padding), strict=True
    )
    return all((side + 2 * p - k) % s == 0 for side, k, s, p in sides)


def floor_mode(site: Site) -> None:
    """Turns ceil_mode off, where it changes nothing."""
    site.module.ceil_mode = False


def whole_windows(site: Site) -> str:
    """Empty where the windows fill the map, else what is wrong."""
    if wrong := maps(site):
        return wrong
    module, map_size = site.module, site.before[2:]
    kernel = pair(module.kernel_size)
    if any(side % k for side, k in zip(map_size, kernel, strict=True)):
        return (
            f"its windows of {kernel[0]}x{kernel[1]} do not fill the map of {map_size[0]}x{map_size[1]}: "
            "choose one that divides it"
        )
    return ""


def own_stride(value: Any, site: Site) -> bool:
    """Whether the windows lie side by side, or there is one only."""
    return pair(value) == pair(site.module.kernel_size) or pair(site.module.kernel_size) == site.before[2:]


def divides(value: Any, site: Site) -> bool:
    """Whether an adaptive pool's places divide the map."""
    if len(site.before) != 4:
        return False
    wanted = [side if w is None else w for w, side in zip(pair(value), site.before[2:], strict=True)]
    return all(
        isinstance(w, int) and w > 0 and side % w == 0
        for w, side in zip(wanted, site.before[2:], strict=True)
    )


def as_window(kind: type[nn.Module]) -> Callable[[Site], None]:
    """An adaptive pool whose places divide the map is a pool of equal windows."""

    def simplify(site: Site) -> None:
        wanted = [
            side if w is None else w
            for w, side in zip(pair(site.module.output_size), site.before[2:], strict=True)
        ]
        kernel = (site.before[2] // wanted[0], site.before[3] // wanted[1])
        name = f"{site.node.name}_window"
        site.source.add_module(name, kind(kernel))
        site.node.target = name

    return simplify


def flattens(site: Site) -> str:
    """Empty where whole images are flattened to (n, C*H*W), else what is wrong."""
    before, after = site.before, site.after
    count = 1
    for side in before[1:]:
        count *= side
    if len(before) in (2, 4) and after == (before[0], count):
        return ""
    return (
        f"it turns {before} into {after}: only whole images can be flattened, to (n, C*H*W); write "
        "nn.Flatten() or torch.flatten(x, 1)"
    )


def pads_a_convolution(site: Site) -> str:
    """Zeros around a map become the padding of the convolutions that read it."""
    if wrong := maps(site):
        return wrong
    users = list(site.node.users)
    layers = [site.layer(user) for user in users]
    steps = [node for node in site.graph.nodes if node.op == "call_module"]
    once = all(sum(other.target == user.target for other in steps) == 1 for user in users)
    if users and once and all(isinstance(layer, nn.Conv2d) and layer.padding != "same" for layer in layers):
        return ""
    return (
        "zeros can only be put around the input of a convolution that is used once: write padding= at "
        "the layer that needs it"
    )


def fold_padding(site: Site) -> None:
    """Adds the zeros around a map to the padding of the convolutions that read it."""
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


def symmetric(value: Any, site: Site) -> bool:
    """Whether as many zeros come before as after, in both directions."""
    sides = padding_of(value)
    return len(sides) == 4 and min(sides) >= 0 and sides[0] == sides[1] and sides[2] == sides[3]
