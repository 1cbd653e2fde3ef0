# amaranth: UnusedElaboratable=no
"""Choosing: folds, lanes, queues, rings and where the weights are, from a network and a goal to a design.

`plan` is a chain of stages; each takes values and returns values, and none changes what an earlier one made:
the plans of the layers, their folds, the lanes between them, the plans of their blocks, the schedule, the
weights that go outside, and at last the components, each built once.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from fermatnet.hw.compiler import folding, multipliers, schedule, weight_blocks
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.edges import Edge
from fermatnet.hw.compiler.resting import rest
from fermatnet.hw.compiler.schedule import Schedule
from fermatnet.hw.compiler.worst_case import Bounds, bounds_of, envelope
from fermatnet.hw.devices import Device
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.layers import Block, Fold, Layer, Placement, StreamRate, beats_of, layer_of
from fermatnet.hw.rtl.clock import DEFAULT_MHZ
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.engine import settled

__all__ = ["layers_for", "least_beats", "plan"]

_TREES = {"ecp5": "ecp5", "xc7": "lut6", "asic": "asic"}  # by family


Layers = dict[str, Layer]
Depths = Mapping[tuple[str, int], tuple[int, int]]


def layers_for(
    net: Network,
    device: str,
    real: Network | None = None,
    cycles: int | None = None,
    *,
    clock_mhz: float = DEFAULT_MHZ,
    plain: bool = False,
) -> Layers:
    """Plans of all layers by name, for the tables of ``device`` and a clock, without a family's own cells
    where ``plain``; ``real`` holds the weights of the memories, where ``net`` is its envelope. ``cycles``: an
    image's, at which the engines of integer convolutions are compared where the network leaves them open
    (`fermatnet.model.network.engine.conv_choice`)."""
    target = _TREES.get(find_device(device).family, "generic")
    if plain and target == "ecp5":  # its counters are cells, and poor ones as equations
        target = "generic"
    held = [None] * len(net.nodes) if real is None else real.nodes
    chosen = [node if cycles is None else settled(net, node, cycles) for node in net.nodes]
    return {
        node.name: layer_of(net, node, target, contents, clock_mhz)
        for node, contents in zip(chosen, held, strict=True)
    }


def least_beats(net: Network) -> int:
    """Cycles an image below which the links between layers cannot go: whole pixels move at once."""
    return max(beats_of(t, t.shape[0]) for t in net.types.values())


def plan(
    net: Network,
    *,
    cycles: int | None = None,
    luts: float | None = None,
    folds: Mapping[str, Fold] | None = None,
    device: str = "ecp5-85k",
    depths: Depths | None = None,
    external: Collection[str] | str = "auto",
    reloadable: bool = False,
    bounds: Bounds | None = None,
    clock_mhz: float = DEFAULT_MHZ,
    dsps: int | None = None,
    ways: Mapping[str, str] | None = None,
    plain: bool = False,
) -> Design:
    """Every choice for a network: folds (for ``cycles`` an image, for ``luts``, by hand, or the fastest that
    takes half of the device), lanes, rings, queues. ``depths`` overrides the queues of edges (for tests that
    show what smaller ones cost).

    Where the network leaves the engine of an integer convolution open, the cheaper one at the period is
    taken; ``folds`` given by hand are those of the engines without a goal.

    ``external``: layers whose weights stream in from outside; "auto": the largest ones, as many as do not fit
    the device's block memories; "none". ``reloadable``: built for any weights within ``bounds`` (by default
    those of `fermatnet.hw.compiler.worst_case`). ``clock_mhz``: the clock that blocks are pipelined for.
    ``dsps``: hard multipliers that the whole design is predicted to take at most
    (`fermatnet.hw.compiler.multipliers`); None: what the device has, for the arrays. ``ways``: how the arrays
    of some layers multiply, whatever that takes. ``plain``: trees of counters without a family's own cells.
    """
    if dsps is not None:
        multipliers.check(device, reloadable)
    if reloadable:
        _check_ends(net)
    capacity = find_device(device)
    bounds = (bounds or bounds_of(net)) if reloadable else bounds
    wide = envelope(net, bounds or {}) if reloadable else net
    real = net if reloadable else None
    layers = layers_for(wide, device, real, cycles, clock_mhz=clock_mhz, plain=plain)
    chosen, target = _folds(wide, layers, cycles, luts, folds, capacity.luts / 2)
    if cycles is None and folds is None:  # the period is known now: engines are compared at it, too
        layers = layers_for(wide, device, real, target, clock_mhz=clock_mhz, plain=plain)
        chosen = folding.fold_for_cycles(layers, target, least_beats(wide))
    layers = multipliers.within_device(layers, chosen, capacity.dsps)
    layers = multipliers.assigned(layers, ways or {})
    edges, paces = schedule.lanes_plan(wide, layers, chosen, target)
    period = schedule.least_period(wide, layers, chosen, edges, paces)
    if cycles is not None and period > cycles:
        raise InputError(f"{cycles} cycles an image cannot be met: {period} is the nearest")
    kept = net if reloadable else None

    def finished(layers: Layers) -> Design:
        made, components, outside = _placed(wide, layers, chosen, edges, paces, period, external, capacity)
        made = _with_depths(made, depths or {})
        rest(wide, components, made.edges.values())
        return Design(wide, layers, chosen, paces, made, components, outside, kept, bounds)

    return finished(layers) if dsps is None else multipliers.kept(finished, layers, chosen, device, dsps)


def _placed(
    net: Network,
    layers: Layers,
    folds: dict[str, Fold],
    edges: list[Edge],
    paces: dict[str, StreamRate],
    period: int,
    external: Collection[str] | str,
    capacity: Device,
) -> tuple[Schedule, dict[str, Any], tuple[str, ...]]:
    """The schedule, the components, each built once, and the layers whose weights come from outside."""
    asked = () if isinstance(external, str) else tuple(external)
    blocks = _blocks(net, layers, folds, edges, paces, asked)
    made = schedule.make(net, _models(blocks), edges, paces, period)
    outside = _external(layers, blocks, made, external, capacity.brams * capacity.bram_bits)
    if set(outside) != set(asked):  # blocks that wait for weights have other latencies
        blocks = _blocks(net, layers, folds, edges, paces, outside)
        made = schedule.make(net, _models(blocks), edges, paces, period)
    components = {
        name: block.build(made.rows.get(name, 0), streamed=name in outside) for name, block in blocks.items()
    }
    weight_blocks.within_device(components.values(), capacity)
    return made, components, outside


def _check_ends(net: Network) -> None:
    """InputError for a reloadable design of several streams: new weights come between two images, and
    streams are not at the same one."""
    for names, what in (([one.name for one in net.inputs], "inputs"), (net.outputs, "outputs")):
        if len(names) > 1:
            raise InputError(
                f"the network has {len(names)} {what} ({', '.join(names)}): a reloadable design has one "
                "stream in and one out; leave reloadable away"
            )


def _folds(
    net: Network,
    layers: Layers,
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
        chosen = folding.fold_for_cycles(layers, cycles, floor)
    elif luts is not None:
        chosen = folding.fold_for_luts(layers, luts, floor)
    else:
        try:
            chosen = folding.fold_for_luts(layers, budget, floor)
        except InputError:
            chosen = folding.check_folds(layers, {})
    return chosen, cycles or max(floor, *(layer.cycles(chosen[name]) for name, layer in layers.items()))


def _blocks(
    net: Network,
    layers: Layers,
    folds: dict[str, Fold],
    edges: list[Edge],
    paces: dict[str, StreamRate],
    streamed: Collection[str],
) -> dict[str, Block]:
    """The plan of every block in its place; those of ``streamed`` take their weights from a stream."""
    lanes = {
        node.name: tuple(edge.lanes_to for edge in edges if edge.consumer == node.name) for node in net.nodes
    }
    places = {
        node.name: Placement(
            folds[node.name],
            lanes[node.name],
            tuple(paces[name] for name in node.inputs),
            node.name in streamed,
        )
        for node in net.nodes
    }
    return {name: layers[name].block(place) for name, place in places.items()}


def _models(blocks: dict[str, Block]) -> dict[str, Any]:
    """Timing of every block."""
    return {name: block.model for name, block in blocks.items()}


def _with_depths(made: Schedule, depths: Depths) -> Schedule:
    """The schedule with queues of other depths."""
    changed = {
        key: replace(made.edges[key], before=before, after=after) for key, (before, after) in depths.items()
    }
    return replace(made, edges={**made.edges, **changed})


def _external(
    layers: Layers,
    blocks: dict[str, Block],
    made: Schedule,
    external: Collection[str] | str,
    capacity: int,
) -> tuple[str, ...]:
    """Layers whose weights go outside, in order."""
    bits = {name: blocks[name].weight_bits for name, layer in layers.items() if layer.streamable()}
    bits = {name: count for name, count in bits.items() if count}  # constants are in no memory
    if external == "none":
        return ()
    if external != "auto":
        unknown = sorted(set(external) - set(bits))
        if unknown:
            raise InputError(
                f"weights of {unknown[0]!r} cannot come from outside: choose among "
                f"{', '.join(bits) or 'no layer'}"
            )
        return tuple(name for name in bits if name in external)
    queues = sum(
        edge.width * (edge.before * edge.lanes_from + edge.after * edge.lanes_to)
        for edge in made.edges.values()
    )
    left = capacity - queues - sum(block.ring_bits for block in blocks.values()) - sum(bits.values())
    outside = []
    for name in sorted(bits, key=lambda name: -bits[name]):
        if left >= 0:
            break
        left += bits[name]
        outside.append(name)
    return tuple(name for name in bits if name in outside)
