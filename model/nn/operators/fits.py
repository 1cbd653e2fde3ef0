"""Whether a layer of the table fits between the tensors around it ("" or what is wrong), which values of an
argument change nothing, and how a layer comes into its plainest form.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from torch import fx, nn

from fermatnet.model.nn.operators.rules import Site, pair, sizes

__all__ = [
    "as_window",
    "batch_norm",
    "divides",
    "maps",
    "padding",
    "rows",
    "transposed",
    "vector_norm",
    "vectors",
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


def rows(site: Site) -> str:
    """Empty where rows (n, C, L) come in, else what is wrong."""
    return "" if len(site.before) == 3 else f"it takes rows (n, C, L), here {site.before}: use the 2-d layer"


def padding(value: Any, site: Site) -> bool:
    """Whether a padding is a number, "valid" or "same"."""
    return value in ("valid", "same") or sizes.holds(value, site)


def transposed(site: Site) -> str:
    """Empty where a transposed convolution of maps, or of rows, cuts off no more than its kernel reaches."""
    module, row = site.module, isinstance(site.module, nn.ConvTranspose1d)
    if wrong := rows(site) if row else maps(site):
        return wrong
    reach = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if any(p > r for p, r in zip(module.padding, reach, strict=True)):
        return f"its padding {module.padding} is larger than its kernel reaches: slice the result instead"
    return ""


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
    if len(site.before) == 3:
        return batch_norm(site)
    node, wrong = site.node.args[0], vectors(site) or batch_norm(site)
    while not wrong and isinstance(node, fx.Node) and node.args:
        before = node.args[0]
        if (
            isinstance(before, fx.Node)
            and len(site.shapes.get(before, ())) > 2
            and len(site.shapes.get(node, ())) == 2
        ):
            area = prod(site.shapes[before][2:])
            whole = "it norms every place of a flattened map by itself: put nn.BatchNorm2d before the flatten"
            return "" if area == 1 else whole
        if isinstance(site.layer(node), nn.Linear):
            break
        node = before
    return wrong


def _wanted(value: Any, site: Site) -> list[tuple[Any, int]]:
    """(places, extent) of every direction of an adaptive pool."""
    sides = site.before[2:]
    return [
        (side if w is None else w, side) for w, side in zip(pair(value)[-len(sides) :], sides, strict=True)
    ]


def divides(value: Any, site: Site) -> bool:
    """Whether an adaptive pool's places divide the map."""
    if len(site.before) not in (3, 4):
        return False
    return all(isinstance(w, int) and w > 0 and side % w == 0 for w, side in _wanted(value, site))


def as_window(kind: type[nn.Module]) -> Callable[[Site], None]:
    """An adaptive pool whose places divide the map is a pool of equal windows."""

    def simplify(site: Site) -> None:
        kernel = tuple(side // w for w, side in _wanted(site.module.output_size, site))
        name = f"{site.node.name}_window"
        site.source.add_module(name, kind(kernel if len(kernel) == 2 else (1, *kernel)))
        site.node.target = name

    return simplify
