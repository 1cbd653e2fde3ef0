"""Which engine computes an integer convolution, and with what: one decision for reference, report and
generator."""

from dataclasses import dataclass
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.cost import Match, matches
from fermatnet.model.fermat.plan import Geometry, Plan, choose, sizes

__all__ = ["Choice", "conv_choice", "conv_plan"]


@dataclass(frozen=True)
class Choice:
    """Engine of one integer convolution: ``plan`` of the transform engine, or None for the direct one;
    ``reasons``: one line."""

    plan: Plan | None
    reasons: str


def conv_plan(net: Any, node: Any) -> Plan | None:
    """The Fermat plan of an integer convolution, or None where a direct engine computes it. Raises as
    `conv_choice`."""
    return conv_choice(net, node).plan


def conv_choice(net: Any, node: Any) -> Choice:
    """The engine of an integer convolution, and why.

    ``engine="auto"`` takes the transform engine where it is cheaper than a direct one of equal throughput
    (`fermatnet.model.fermat.cost`), at the number of parallel products at which it computes most for its
    share of the device.
    "fermat" and "direct" decide by themselves. Raises InputError naming the layer when a forced modulus is
    too small for the bound of its weights (with the modulus that would do).
    """
    if node.engine == "direct":
        return Choice(None, "direct engine, as asked")
    if node.pad_value:
        return Choice(None, "direct engine: it pads with another value than zero")
    x = net.types[node.inputs[0]]
    height, width = x.shape[1:]
    try:
        plan = choose(
            node.weight,
            x.lo,
            x.hi,
            stride=node.stride,
            pad=node.pad,
            dilation=node.dilation,
            group=node.group,
            height=height,
            width=width,
            moduli=node.moduli,
            length=node.length,
        )
    except InputError as error:
        # beyond every system: the direct engine has no such limit
        if node.engine == "auto" and not node.moduli and not node.length:
            return Choice(None, f"direct engine: {error}")
        raise InputError(f"layer {node.name!r}: {error}") from error
    if node.engine == "fermat":
        return Choice(plan, f"Fermat engine, as asked; {plan.reasons}")
    rows, columns = node.weight.shape[2:]
    geometry = Geometry(height, width, (rows, columns), node.stride, node.pad, node.dilation)
    layer = sizes(
        node.weight, x.lo, x.hi, geometry, node.group, (plan.lo, plan.hi), plan.widths, plan.lengths
    )
    found = matches(layer, plan.spectra)
    best = min(found, key=lambda match: match.transform.worth * match.cycles)
    pays = best.transform.worth < best.direct.worth
    figures = _figures(best)
    if pays:
        least = min(match.products for match in found if match.transform.worth < match.direct.worth)
        return Choice(
            plan,
            f"Fermat engine by cost, {figures}, cheaper from {least} parallel product{'s' * (least > 1)} "
            f"on; {plan.reasons}",
        )
    return Choice(None, f"direct engine by cost, {figures}")


def _figures(match: Match) -> str:
    return (
        f"at {match.cycles} cycles an image {match.transform} ({match.transform.worth:.0f} in LUTs) for "
        f"{match.products} products in the "
        f"transform domain against {match.direct} ({match.direct.worth:.0f}) for {match.macs} direct ones"
    )
