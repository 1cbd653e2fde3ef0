"""The proof that a network runs at one image per period: a periodic schedule, and the queues it needs on
forks and joins.

Method. Let P be the period, at least the cycles of every block. Backwards from the output, each block's
latest times give the latest times at which each pixel of the image must enter (periodic with P). Forwards
from these times, each block acts as soon as it can, with unlimited queues; because no block ever acts later
than its latest time, this schedule has period P. A queue on an edge then needs exactly as many places as
beats wait there at once, and an edge where no beat ever waits needs none.

Proof. Every block is monotone: when its inputs come no later and its outputs are taken no later, it takes and
offers no later. With the depths above, the schedule is one valid execution. The real circuit starts from the
same empty state, acts whenever it can, and its source offers each pixel no later than the schedule; by
induction over beats nothing in it ever happens later than in the schedule. So no queue deadlocks, and an
image leaves every P cycles. It cannot be faster, because the slowest block takes P cycles.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fermatnet.hw import timing
from fermatnet.hw.compiler.edges import CUT, Edge, converter
from fermatnet.hw.compiler.ready import cut_ready
from fermatnet.hw.layers import Fold, Layer, StreamRate, beats_of
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.types import TensorType

__all__ = ["CUT", "Schedule", "depth_needed", "lanes_plan", "make"]

SOURCE_LATENCY = 1  # the register at the AXI4-Stream edge
IMAGES = (3, 6, 12, 24)  # unrolled, as many as the steady state takes to come


@dataclass(frozen=True)
class Schedule:
    """What the compiler builds by.

    ``period`` cycles an image; ``latency`` from the first beat taken to the first beat offered when nothing
    waits for room: exact in a chain.
    Where a tensor has several readers, a branch just deep enough for the steady state (a queue, or the two
    places that cut ``ready``) can be full while the pipeline fills, and holds the others back; then the first
    result comes later, after ``latency_bound`` cycles at the most.
    ``early``: by output, beats of an image's results that do not need the last beat of every input, and so
    may leave before it comes.
    Latencies are those at the last layer's output. Queues by edge, rows of each ring (where not the least),
    and when each tensor's beats move in one image of the steady state.
    """

    period: int
    latency: int
    latency_bound: int
    early: dict[str, int]
    edges: dict[tuple[str, int], Edge]
    rows: dict[str, int]
    times: dict[str, np.ndarray] = field(repr=False, default_factory=dict)


def depth_needed(offered: np.ndarray, taken: np.ndarray) -> int:
    """Most beats waiting at once: offered at one time, taken at a later one; a place is free one cycle after
    its beat has left."""
    left = np.searchsorted(taken, offered, side="left")
    return int((np.arange(1, len(offered) + 1) - left).max())


def lanes_plan(
    net: Network, layers: dict[str, Layer], folds: dict[str, Fold], period: int
) -> tuple[list[Edge], dict[str, StreamRate]]:
    """Lanes of every edge and pace of every tensor."""
    paces = {one.name: StreamRate(_source_lanes(one.type, period), 1) for one in net.inputs}
    edges = []
    for node in net.nodes:
        layer = layers[node.name]
        taken, paces[node.name] = layer.pace(folds[node.name], [paces[name] for name in node.inputs], period)
        for index, (name, lanes) in enumerate(zip(node.inputs, taken, strict=True)):
            # A block with a window moves its whole reader by the ready of its output, where no queue stands
            # there: that ready comes from a register.
            open_ended = name in layers and not layers[name].queued(folds[name])
            cut = open_ended and not layer.windowed(folds[node.name])
            here, bits, before = paces[name].lanes, net.types[name].bits, CUT if cut else 0
            edges.append(Edge(name, node.name, index, here, lanes, bits, before, clock=layer.clock))
    period = max(period, least_period(net, layers, folds, edges, paces))
    return cut_ready(net, layers, folds, edges, period), paces


def _source_lanes(image: TensorType, period: int) -> int:
    for lanes in range(1, image.shape[0] + 1):
        if image.shape[0] % lanes == 0 and beats_of(image, lanes) <= period:
            return lanes
    return image.shape[0]


def least_period(
    net: Network,
    layers: dict[str, Layer],
    folds: dict[str, Fold],
    edges: list[Edge],
    paces: dict[str, StreamRate],
) -> int:
    """Cycles an image of the slowest block or link."""
    cycles = [layers[node.name].cycles(folds[node.name]) for node in net.nodes]
    cycles += [
        beats_of(net.types[edge.producer], lanes)
        for edge in edges
        for lanes in (edge.lanes_from, edge.lanes_to)
    ]
    cycles += [beats_of(net.types[name], pace.lanes) for name, pace in paces.items()]
    cycles += [edge.rest_cycles(net.types[edge.producer], edge.halves) for edge in edges if edge.rests]
    return max(cycles)


def make(
    net: Network, models: dict[str, Any], edges: list[Edge], paces: dict[str, StreamRate], period: int
) -> Schedule:
    """Queues and rings for one image per ``period``; ``models`` are the timing models of the layers by
    name."""
    plan = {edge.key: edge for edge in edges}
    rows: dict[str, int] = {}
    first_image = dict(models)
    models = {
        name: model.relaxed(period) if isinstance(model, timing.Tiles) else model
        for name, model in models.items()
    }
    for _ in range(64):
        wanted, needs = _backward(net, models, plan, paces, period)
        first = {one.name: wanted[one.name] for one in net.inputs}
        images, times, seen = _steady(net, models, plan, first, period)
        changed = (
            _hurry(plan, seen)
            or _grow_rings(net, models, rows, needs, seen, images, period)
            or _grow_queues(net, models, plan, times, seen)
        )
        if not changed:
            first_image |= {
                name: model
                for name, model in models.items()
                if isinstance(model, timing.Windows | timing.Repeats)
            }
            at_once = {name: np.arange(len(times), dtype=np.int64) for name, times in first.items()}
            eager, _ = _forward(net, first_image, plan, at_once)
            latency = int(eager[net.output][0])
            bound = int(times[net.output][0] - min(times[0] for times in first.values()))
            # a view would keep all images
            steady = {name: value[-(len(value) // images) :].copy() for name, value in times.items()}
            early = _early(net, first_image, plan, at_once)
            return Schedule(period, latency, max(latency, bound), early, plan, rows, steady)
    raise InputError(f"no schedule of {period} cycles was found: the queues keep growing")


def _early(
    net: Network,
    models: dict[str, Any],
    plan: dict[tuple[str, int], Edge],
    at_once: dict[str, np.ndarray],
) -> dict[str, int]:
    """Results of the first image that come although the last beat of an input never does, by output."""
    never, early = 1 << 40, dict.fromkeys(net.outputs, 0)
    for name, beats in at_once.items():
        times, _ = _forward(net, models, plan, at_once | {name: np.append(beats[:-1], never)})
        for output in early:
            early[output] = max(early[output], int((times[output] < never).sum()))
    return early


def _inputs(net: Network, plan: dict[tuple[str, int], Edge], node: Any) -> list[Edge]:
    return [plan[node.name, index] for index in range(len(node.inputs))]


def _backward(net, models, plan, paces, period):
    """Latest times: by tensor at its producer, and by edge at its consumer."""
    wanted: dict[str, np.ndarray] = {}
    needs: dict[tuple[str, int], np.ndarray] = {}
    for name in net.outputs:
        count = beats_of(net.types[name], paces[name].lanes)
        wanted[name] = np.arange(count, dtype=np.int64)
    for node in reversed(net.nodes):
        latest = models[node.name].backward(timing.latest(wanted[node.name], period), period)
        for edge, times in zip(
            _inputs(net, plan, node), latest if isinstance(latest, list) else [latest], strict=True
        ):
            needs[edge.key] = times
            before, after = edge.latencies()
            times, block = times - after, converter(edge)
            if block is not None:
                times = block.backward(times, period)
            times = timing.latest(times - before, period)
            known = wanted.get(edge.producer)
            wanted[edge.producer] = times if known is None else np.minimum(known, times)
    for one in net.inputs:
        wanted[one.name] = timing.latest(wanted[one.name] - SOURCE_LATENCY, period)
    return wanted, needs


def _forward(net, models, plan, offered):
    """Earliest times of every tensor's beats, and by edge what waits where: [(offered, taken) before,
    (offered, taken) after]."""
    times = {name: beats + SOURCE_LATENCY for name, beats in offered.items()}
    seen: dict[tuple[str, int], list[list[np.ndarray]]] = {}
    for node in net.nodes:
        arrivals = []
        for edge in _inputs(net, plan, node):
            start = times[edge.producer]
            before, after = edge.latencies()
            block = converter(edge)
            entered, moved = (start + before,) * 2 if block is None else block.forward(start + before)
            seen[edge.key] = [[start, entered], [moved, moved]]
            arrivals.append(moved + after)
        taken, times[node.name] = models[node.name].forward(*arrivals)
        for edge, when in zip(
            _inputs(net, plan, node), taken if isinstance(taken, list) else [taken], strict=True
        ):
            seen[edge.key][1][1] = when
    return times, seen


def _steady(net, models, plan, first, period):
    """Forward until the last three images are a period apart, inside too, where a queue hides long that what
    fills it is too slow (or the rings turn out too small for that)."""
    for images in IMAGES:
        starts = np.arange(images)[:, None] * period
        offered = {name: (beats + starts).reshape(-1) for name, beats in first.items()}
        times, seen = _forward(net, models, plan, offered)
        moves = [*times.values(), *(waits[1][1] for waits in seen.values())]
        if not any(timing.drifts(one, images, period) for one in moves):
            break
    return images, times, seen


def _grow_rings(net, models, rows, needs, seen, images, period) -> bool:
    """A ring that makes its input wait too long, or longer with every image, gets one more row."""
    changed = False
    for node in net.nodes:
        model = models[node.name]
        if not isinstance(model, timing.Windows | timing.Repeats):
            continue
        needed = needs[node.name, 0]
        offered, taken = seen[node.name, 0][1]
        falls_back = timing.drifts(taken, images, period) and not timing.drifts(offered, images, period)
        if falls_back or (taken[-len(needed) :] - (images - 1) * period > needed).any():
            rows[node.name] = model.rows + 1
            models[node.name] = replace(model, rows=model.rows + 1)
            changed = True
    return changed


def _hurry(plan, seen) -> bool:
    """A conversion that rests while beats wait for it rests less, or not: a queue cuts its ready instead."""
    late = [
        edge
        for key, edge in plan.items()
        if edge.rests and (seen[key][0][1] > seen[key][0][0] + edge.latencies()[0] + edge.take_delay).any()
    ]
    plan.update({edge.key: edge.hurried() for edge in late})
    return bool(late)


def _grow_queues(net, models, plan, times, seen) -> bool:
    changed = False
    for key, edge in plan.items():
        (offered, first_taken), (ready, taken) = seen[key]
        waits = edge.before or (first_taken > offered + edge.take_delay).any()
        before = depth_needed(offered, first_taken) if waits else 0
        after = 0
        if edge.after or (taken > ready).any():
            after = depth_needed(_held_back(net, models, plan, times, edge, ready, taken), taken)
        depths = max(before, edge.before), max(after, edge.after)
        if depths != (edge.before, edge.after):
            plan[key] = replace(edge, before=depths[0], after=depths[1])
            changed = True
    return changed


def _held_back(net, models, plan, times, edge, offered, taken):
    """When beats may enter a queue at the latest: the registers before it hold some, and the producer its
    last one until the next.

    Between a tensor's producer and the queue lie S registers of beat-by-beat blocks. The producer keeps beat
    n until beat n+1 is due, so with S registers in between beat n may enter the queue one cycle before beat
    n+1+S is due.
    """
    if edge.lanes_from != edge.lanes_to:
        return offered
    name, registers = edge.producer, 0
    while not net.is_input(name) and len(net.consumers(name)) == 1 and isinstance(models[name], timing.Chain):
        if models[name].gap > 1:
            break  # it keeps fewer beats than its latency has cycles
        above = plan[name, 0]
        if above.before or above.after or above.lanes_from != above.lanes_to:
            break
        registers += models[name].latency
        name = above.producer
    due = times[name][1 + registers :] - 1
    latest = np.concatenate([due, np.full(len(offered) - len(due), timing.FAR)])
    return np.maximum(offered, np.minimum(latest, taken - edge.latencies()[1]))
