"""Linear and bilinear upsampling by whole factors, as layers that there are already.

Between two pixels torch (align_corners=False) walks in steps of 1/s, s the factor, half a step off the pixels
where s is even; beyond the border the outermost pixel goes on. The weights of that walk are a triangle: a sum
over s of pixels each repeated s times, and a sum over 2 more where s is even:

    s odd   y = sum_s(repeat_s(x)) / s             s even   y = sum_2(sum_s(repeat_s(x))) / (2 s)

of x with one pixel repeated around it, cropped to s times its size. So: gather, gather, sum, average, crop,
and no weight at all.
"""

from torch import fx, nn

from fermatnet.model.nn.layers import SumPool
from fermatnet.model.nn.moves import Gather
from fermatnet.model.nn.operators.layouts import LINEAR, canonical, interpolates, interpolation
from fermatnet.model.nn.operators.lifted import move_before
from fermatnet.model.nn.operators.rules import Site

__all__ = ["as_module", "fits", "simplify"]


def as_module(node: fx.Node) -> nn.Upsample:
    """The layer that does the same as a call."""
    given = interpolation(node)
    return nn.Upsample(
        given.get("size"), given.get("scale_factor"), given["mode"], given.get("align_corners")
    )


def fits(site: Site) -> str:
    """Empty for an upsampling of maps, or rows, by whole factors; else what is wrong. Other modes pass."""
    if not interpolates(site.source, site.node):
        return ""
    given = vars(site.module) if site.node.op == "call_module" else interpolation(site.node)
    mode = given["mode"]
    if given.get("align_corners"):
        return (
            "align_corners=True has weights of its own for every pixel: "
            "use nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)"
        )
    if given.get("antialias"):
        return "antialias=True is not understood: leave it at its default False"
    if len(site.before) != LINEAR[mode]:
        return f"mode={mode!r} takes tensors of {LINEAR[mode]} dimensions, here {site.before}"
    factors = given.get("scale_factor")
    factors = factors if isinstance(factors, list | tuple) else (factors,)
    divides = all(a % b == 0 for a, b in zip(site.after[2:], site.before[2:], strict=True))
    if not divides or any(one is not None and (one != int(one) or one < 1) for one in factors):
        return f"it makes {site.after} of {site.before}: use whole factors, scale_factor=2 for instance"
    return ""


def simplify(site: Site) -> None:
    """Lets layers that there are do the same; other modes stay."""
    if not interpolates(site.source, site.node):
        return
    before, after = canonical(site.before)[1:], canonical(site.after)[1:]
    factors = [a // b for a, b in zip(after, before, strict=True)]
    second = [2 - s % 2 for s in factors]
    sides = [_around(side, s > 1) for s, side in zip(factors, before, strict=True)]
    repeated = [[k for k in range(len(one)) for _ in range(s)] for s, one in zip(factors, sides, strict=True)]
    move_before(site, Gather(None, *sides))
    move_before(site, Gather(None, *repeated))
    divisor = factors[0] * factors[1] * second[0] * second[1]
    kernel = (factors[0], factors[1])
    if max(second) > 1:
        move_before(site, SumPool(kernel, 1))
        kernel = (second[0], second[1])
    move_before(site, nn.AvgPool2d(kernel, 1, divisor_override=divisor))
    crop = []
    for one, s, two, side in zip(repeated, factors, second, after, strict=True):
        first = (len(one) - s - two + 2 - side) // 2  # as much is left over before the map as after it
        crop.append(list(range(first, first + side)))
    name = f"{site.node.name}_crop"
    site.source.add_module(name, Gather(None, *crop))
    site.node.target = name


def _around(side: int, more: bool) -> list[int]:
    """Places of one direction, the outermost ones twice where there are ``more``."""
    return [0] * more + list(range(side)) + [side - 1] * more
