"""Which engine computes an integer convolution, and with what: one decision for reference, report and
generator."""

from dataclasses import dataclass, replace
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.cost import Layer, Match, at_goal, cheaper_spectra, matches, prices
from fermatnet.model.fermat.plan import Geometry, Plan, choose, sizes

__all__ = ["Choice", "conv_choice", "conv_plan", "layer_sizes", "settled"]


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


def settled(net: Any, node: Any, cycles: int) -> Any:
    """The node with its engine decided for images of at most ``cycles``, where it is an integer convolution
    that left the choice open; any other node as it is. Raises as `conv_choice`."""
    if getattr(node, "engine", None) != "auto":
        return node
    return replace(node, engine="direct" if conv_choice(net, node, cycles).plan is None else "fermat")


def conv_choice(net: Any, node: Any, cycles: int | None = None) -> Choice:
    """The engine of an integer convolution, and why.

    ``engine="auto"`` takes the transform engine where it is cheaper than a direct one that keeps up with it
    (`fermatnet.model.fermat.cost`): each as small as an image in ``cycles`` allows, or, without that goal, at
    the number of parallel products at which the transform computes most for its share of the device.
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
    layer = layer_sizes(net, node, plan)
    if cycles is not None:
        return _at_goal(plan, layer, cycles)
    candidates = matches(layer, plan.spectra)
    best = min(candidates, key=lambda match: match.transform.worth * match.cycles)
    pays = best.transform.worth < best.direct.worth
    figures = _figures(best, (best.transform.worth, best.direct.worth))
    if pays:
        least = min(match.products for match in candidates if match.transform.worth < match.direct.worth)
        return Choice(
            plan,
            f"Fermat engine by cost, {figures}, cheaper from {least} parallel product{'s' * (least > 1)} "
            f"on; {plan.reasons}",
        )
    return Choice(None, f"direct engine by cost, {figures}")


def layer_sizes(net: Any, node: Any, plan: Plan) -> Layer:
    """The sizes of an integer convolution that decide what ``plan``, one of its own, costs."""
    x = net.types[node.inputs[0]]
    height, width = x.shape[1:]
    rows, columns = node.weight.shape[2:]
    geometry = Geometry(height, width, (rows, columns), node.stride, node.pad, node.dilation)
    reach = plan.lo, plan.hi
    return sizes(node.weight, x.lo, x.hi, geometry, node.group, reach, plan.widths, plan.lengths)


def _at_goal(plan: Plan, layer: Layer, cycles: int) -> Choice:
    """The engine that is cheaper where an image may take ``cycles``."""
    match = at_goal(layer, cycles)
    worth = prices(layer, match)
    best, fastest = layer.cycles(match.products), layer.macs // match.macs
    if best > cycles:
        return Choice(
            None,
            f"direct engine: the transform takes {best} cycles an image with all {match.products} products, "
            f"{cycles} are asked for; {match.direct} ({worth[1]:.0f} in LUTs) for {match.macs} direct ones",
        )
    plan = replace(plan, spectra=cheaper_spectra(layer, match.products))
    if fastest > cycles:
        return Choice(
            plan,
            f"Fermat engine: a direct one takes {fastest} cycles an image with all {match.macs} products, "
            f"{cycles} are asked for; {match.transform} ({worth[0]:.0f} in LUTs) for {match.products} "
            f"products in the transform domain; {plan.reasons}",
        )
    if worth[0] >= worth[1]:
        return Choice(None, f"direct engine by cost, {_figures(match, worth)}")
    return Choice(plan, f"Fermat engine by cost, {_figures(match, worth)}; {plan.reasons}")


def _figures(match: Match, worth: tuple[float, float]) -> str:
    many = "s" * (match.products > 1)
    return (
        f"at {match.cycles} cycles an image {match.transform} ({worth[0]:.0f} in LUTs) for "
        f"{match.products} product{many} in the "
        f"transform domain against {match.direct} ({worth[1]:.0f}) for {match.macs} direct ones"
    )
