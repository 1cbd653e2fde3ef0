# amaranth: UnusedElaboratable=no
"""Proofs of the stall contract of a pipeline that runs free behind credits
(`fermatnet.hw.stream.pipeline`): its queue never overflows, gives each beat once and in order, and has a
place again for every beat that left. For every pattern of offers and stalls.

Data go through registers that load in every cycle, so that a beat is in the stage in which its bit is.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.pipeline import pipeline
from fermatnet.synth.formal import Named, Proof
from fermatnet.synth.proofs.invariants import Harness, all_bits, follows, implies

__all__ = ["Carried", "FreePipeline", "pipeline_mutants", "pipeline_proofs"]

_CLOCK = Clock(150, "ecp5")
DEPTHS = (1, 2, 5)


class Carried(wiring.Component):
    """A beat, ``depth`` stages and a queue later."""

    def __init__(self, depth: int):
        self.depth = depth
        payload = stream.Signature(data.ArrayLayout(2, 1))
        super().__init__({"i": In(payload), "o": Out(payload)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self.pipe = pipe = pipeline(m, self.i, self.o, self.depth, clock=_CLOCK)
        stages = [Signal.like(self.i.payload, name=f"stage{k}") for k in range(self.depth - 1)]
        for before, stage in zip([self.i.payload, *stages], [*stages, pipe.result], strict=True):
            m.d.sync += stage.eq(before)
        return m


class FreePipeline(Harness):
    """A `Carried` between free neighbours."""

    claims = (
        ("a beat comes only to a free place", "fits", 0),
        ("a beat is offered exactly while one is there", "offers", 0),
        ("beats are read in the order of their places", "ordered", 1),
        ("a beat is refused only while places are taken", "refused", 0),
    )
    covers = (("the queue is full", "full", 0), ("a beat is refused", "waiting", 0))

    def __init__(self, design: Carried):
        self.design = design
        super().__init__({"valid": In(1), "ready": In(1)})

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design = self.design
        m.submodules.design = inner = design.elaborate(platform)
        queue, credits = inner.submodules.queue, inner.submodules.credits
        places = queue.places
        m.d.comb += [design.i.valid.eq(self.valid), design.o.ready.eq(self.ready)]
        moving = sum((Value.cast(bit) for bit in design.pipe.there[1:]), start=design.pipe.there[0])
        leave = design.o.valid & design.o.ready
        reach = queue.read + queue.level
        invariant = all_bits(
            credits.taken == moving + queue.level + credits.left,
            credits.taken <= places,
            credits.room == (credits.taken != places),
            queue.write == Mux(reach >= places, reach - places, reach),
            (queue.read < places) & (queue.write < places),
            queue.some == (queue.level != 0),
        )
        return {
            "invariant": invariant,
            "assumed": 1,
            "fits": implies(queue.put[0], queue.level < places),
            "offers": design.o.valid == (queue.level != 0),
            "ordered": follows(queue.read, leave, places, "read", m)
            & follows(queue.write, queue.put[0], places, "write", m),
            "refused": implies(~design.i.ready, moving + queue.level + credits.left == places),
            "full": queue.level == places,
            "waiting": self.valid & ~design.i.ready,
        }


def pipeline_proofs() -> Iterator[Named]:
    """The stall contract, and that nothing claimed is true of nothing."""
    for depth in DEPTHS:
        name = f"free pipeline of {depth} stages"
        harness = FreePipeline(Carried(depth))
        for claim, proof in harness.proofs():
            yield Named(f"{name}: {claim}", partial(_given, proof))
        for words, proof in harness.vacuities():
            yield Named(f"{name}: not only without that {words}", partial(_given, proof), expected=False)


def _given(proof: Proof) -> Proof:
    return proof


class Generous(Carried):
    """Takes every beat, room or not."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class Forgetful(Carried):
    """Gives a place back while its beat still waits."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += m.submodules.credits.leave.eq(self.o.valid)
        return m


class Stubborn(Carried):
    """Reads the next beat before the taker has this one."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += m.submodules.queue.o.ready.eq(1)
        return m


def pipeline_mutants() -> Iterator[Named]:
    """Each wrong pipeline, whose invariant is refuted."""
    for design in (Generous, Forgetful, Stubborn):
        proof = dict(FreePipeline(design(2)).proofs())["the invariant is kept"]
        yield Named(
            f"{design.__name__} pipeline: the invariant is kept", partial(_given, proof), expected=False
        )
