"""The control of a pipeline between two streams: elastic, or free behind credits where the clock is short."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.credits import Credits
from fermatnet.hw.stream.elastic import elastic, short
from fermatnet.hw.stream.result_queue import ResultQueue, places_behind

__all__ = ["Pipeline", "pipeline", "queue_latency"]


@dataclass(frozen=True)
class Pipeline:
    """``enables``: of each stage's registers, 1 where it runs free; ``accept``: a beat enters in this cycle;
    ``result``: what the last stage's registers are, of the output's payload; ``there``: in which stages a
    beat is."""

    enables: list[Value]
    accept: Value
    result: Any
    there: Value


def queue_latency(depth: int, clock: Clock | None) -> int:
    """Cycles that the queue behind ``depth`` stages adds; 0 without one."""
    return ResultQueue.latency_of(places_behind(1, depth)) if short(clock) else 0


def pipeline(m: Module, i: Any, o: Any, depth: int, clock: Clock | None = None) -> Pipeline:
    """Builds the control of ``depth`` register stages from stream ``i`` to stream ``o``.

    At a `short` clock no signal that stalls enables a stage, however many registers it has: a place of a
    queue behind the last one is reserved with every beat that enters, ``i.ready`` is a register, and
    ``o.ready`` ends in the queue. Else `elastic`.

    Latency: ``depth`` + `queue_latency` cycles. Throughput: one beat a cycle.
    """
    if not short(clock):
        valids, enables = elastic(m, i.valid, o.ready, depth, clock=clock)
        m.d.comb += [i.ready.eq(enables[0]), o.valid.eq(valids[-1])]
        return Pipeline(list(enables), enables[0] & i.valid, o.payload, Cat(valids))
    places = places_behind(1, depth)
    m.submodules.queue = queue = ResultQueue(o.payload.shape(), places)
    m.submodules.credits = credits = Credits(places)
    accept = Signal()
    m.d.comb += [
        accept.eq(i.valid & i.ready),
        i.ready.eq(credits.room),
        credits.reserve.eq(accept),
        credits.leave.eq(o.valid & o.ready),
        o.valid.eq(queue.o.valid),
        o.payload.eq(queue.o.payload),
        queue.o.ready.eq(o.ready),
    ]
    there = Signal(depth)
    result = Signal(o.payload.shape(), name="result", reset_less=True)
    m.d.sync += there.eq(Cat(accept, there)[:depth])
    m.d.comb += [queue.put.eq(there[-1].replicate(queue.copies)), queue.result.eq(result)]
    return Pipeline([Const(1)] * depth, accept, result, there)
