# amaranth: UnusedElaboratable=no
"""Choosing: folds, lanes, queues, rings and where the weights are, from a network and a goal to a design."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from amaranth.lib import wiring

from fermatnet.hw.arrays.streamed import weight_bits
from fermatnet.hw.compiler import folding, schedule
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.devices import device as find_device
from fermatnet.hw.compiler.schedule import Schedule
from fermatnet.hw.compiler.worst_case import Bounds, bounds_of, envelope, fill
from fermatnet.hw.layers import Fold, Layer, MatrixVectorLayer, beats_of, layer_of
from fermatnet.hw.layers.windowed import WindowedArray, array_of
from fermatnet.hw.resources import lut_cost
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network

__all__ = ["layers_for", "least_beats", "plan"]

_TREES = {"ecp5": "ecp5", "xc7": "lut6", "asic": "asic"}  # by family


def layers_for(net: Network, device: str) -> dict[str, Layer]:
    """Hardware layers by name, not yet folded, built for the tables of ``device``."""
    layers = {node.name: layer_of(net, node) for node in net.nodes}
    for layer in layers.values():
        layer.target = _TREES.get(find_device(device).family, "generic")
    return layers


def least_beats(net: Network) -> int:
    """Cycles an image below which the links between layers cannot go: whole pixels move at once."""
    return max(beats_of(t, t.shape[0]) for t in net.types.values())


def _folds(
    net: Network,
    layers: dict[str, Layer],
    cycles: int | None,
    luts: float | None,
    folds: Mapping[str, Fold] | None,
    budget: float,
) -> tuple[dict[str, Fold], int]:
    """Folds and the period they were chosen for."""
    floor = least_beats(net)
    if folds is not None:
        chosen = folding.check_folds(layers, folds)
    elif cycles is not None:
        chosen = folding.fold_for_cycles(layers, cycles, lut_cost, floor)
    elif luts is not None:
        chosen = folding.fold_for_luts(layers, luts, lut_cost, floor)
    else:
        try:
            chosen = folding.fold_for_luts(layers, budget, lut_cost, floor)
        except InputError:
            chosen = folding.check_folds(layers, {})
    return chosen, cycles or max(floor, *(layer.cycles(chosen[name]) for name, layer in layers.items()))


def plan(
    net: Network,
    *,
    cycles: int | None = None,
    luts: float | None = None,
    folds: Mapping[str, Fold] | None = None,
    device: str = "ecp5-85k",
    depths: Mapping[tuple[str, int], tuple[int, int]] | None = None,
    external: Collection[str] | str = "auto",
    reloadable: bool = False,
    bounds: Bounds | None = None,
) -> Design:
    """Every choice for a network: folds (for ``cycles`` an image, for ``luts``, by hand, or the fastest that
    takes half of the device), lanes, rings, queues. ``depths`` overrides the queues of edges (for tests that
    show what smaller ones cost).

    ``external``: layers whose weights stream in from outside; "auto": the largest ones, as many as do not fit
    the device's block memories; "none". ``reloadable``: built for any weights within ``bounds`` (by default
    those of `fermatnet.hw.compiler.worst_case`).
    """
    capacity, real = find_device(device), None
    if reloadable:
        real, bounds = net, bounds or bounds_of(net)
        net = envelope(real, bounds)
    layers = layers_for(net, device)
    chosen, target = _folds(net, layers, cycles, luts, folds, capacity.luts / 2)
    edges, paces = schedule.lanes_plan(net, layers, chosen, target)
    period = schedule.least_period(net, layers, chosen, edges, paces)
    if cycles is not None and period > cycles:
        raise InputError(f"{cycles} cycles an image cannot be met: {period} is the nearest")
    lanes = {node.name: [edge.lanes_to for edge in edges if edge.consumer == node.name] for node in net.nodes}
    components = {name: layer.build(chosen[name], lanes[name]) for name, layer in layers.items()}
    models = {
        name: layer.model(components[name], chosen[name], lanes[name]) for name, layer in layers.items()
    }
    made = schedule.make(net, models, edges, paces, period)
    outside = _external(layers, components, made, external, capacity.brams * capacity.bram_bits)
    for name in outside:
        layers[name].external = True
    for name in {*made.rows, *outside}:
        components[name] = layers[name].build(chosen[name], lanes[name], made.rows.get(name, 0))
    for key, (before, after) in (depths or {}).items():
        made.edges[key] = replace(made.edges[key], before=before, after=after)
    if real is not None:
        for node in real.nodes:
            fill(components[node.name], layers[node.name], node)
    return Design(net, layers, chosen, paces, made, components, real, bounds)


def _external(
    layers: dict[str, Layer],
    components: dict[str, wiring.Component],
    made: Schedule,
    external: Collection[str] | str,
    capacity: int,
) -> list[str]:
    """Layers whose weights go outside."""
    bits = {}
    for name, layer in layers.items():
        if isinstance(layer, MatrixVectorLayer):
            bits[name] = weight_bits(array_of(components[name]))
    if external == "none":
        return []
    if external != "auto":
        unknown = sorted(set(external) - set(bits))
        if unknown:
            raise InputError(
                f"weights of {unknown[0]!r} cannot come from outside: choose among "
                f"{', '.join(bits) or 'no layer'}"
            )
        return [name for name in bits if name in external]
    queues = sum(
        edge.width * (edge.before * edge.lanes_from + edge.after * edge.lanes_to)
        for edge in made.edges.values()
    )
    left = (
        capacity
        - queues
        - sum(_ring_bits(component) for component in components.values())
        - sum(bits.values())
    )
    outside = []
    for name in sorted(bits, key=lambda name: -bits[name]):
        if left >= 0:
            break
        left += bits[name]
        outside.append(name)
    return [name for name in bits if name in outside]


def _ring_bits(component: Any) -> int:
    window = (
        component.parts[0] if isinstance(component, WindowedArray) else getattr(component, "window", None)
    )
    return window.rows * window.width * window.channels * window.shape.width if window is not None else 0
