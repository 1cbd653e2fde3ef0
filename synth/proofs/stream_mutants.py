"""Streams with one thing wrong: every claim about them must be refuted."""

from collections.abc import Iterator
from functools import partial

from amaranth.hdl import Module, Signal
from amaranth.lib import data

from fermatnet.hw.fermat.adder import Adder
from fermatnet.hw.fermat.folded_transform import FoldedTransform, folded_latency
from fermatnet.hw.fermat.negate import Negate
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.pipelined import FramedStream, PipelinedStream
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d, Transposer, serial_latency2d
from fermatnet.synth.formal import Block, Named, Proof
from fermatnet.synth.proofs.stream import Pairwise, given, stream_claims, transposer_proofs

__all__ = ["stream_mutants"]


class LeakyStream(PipelinedStream):
    """Says ready while its output waits: loses beats."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self._make()
        valid = Signal(self.latency)
        m.d.comb += [
            self.last.eq(valid[-1]),
            self.moves.eq(self.o.ready | ~self.last),
            self.i.ready.eq(1),
            self.o.valid.eq(self.last),
        ]
        with m.If(self.moves):
            m.d.sync += valid.eq((valid << 1) | self.i.valid)
        m.d.comb += [core.en.eq(self.moves), core.x.eq(self.i.payload), self.o.payload.eq(core.o)]
        return m


class RunawayStream(PipelinedStream):
    """Moves on while its output waits: overwrites beats."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self._make()
        valid = Signal(self.latency)
        m.d.comb += [
            self.last.eq(valid[-1]),
            self.moves.eq(1),
            self.i.ready.eq(1),
            self.o.valid.eq(self.last),
        ]
        m.d.sync += valid.eq((valid << 1) | self.i.valid)
        m.d.comb += [core.en.eq(1), core.x.eq(self.i.payload), self.o.payload.eq(core.o)]
        return m


class DriftingStream(PipelinedStream):
    """Stops its valid bits while the output waits, but not its data."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += m.submodules.core.en.eq(1)
        return m


class HastyFrames(FramedStream):
    """Runs on when a frame's next beat is missing: lets a gap into a frame."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.moves.eq(self.i.ready)
        return m


class OneOrder(Transposer):
    """Addresses even places of every frame alike: words of a following frame overwrite those not yet read."""

    def _address(self, at, by_columns, parity):
        return super()._address(at, by_columns, parity & at[0])


class Untransposed(Transposer):
    """Reads in the order it wrote."""

    def _address(self, at, by_columns, parity):
        return super()._address(at, False, parity)


class Eager(Transposer):
    """Says that a word is there an edge early."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        early = Signal()
        m.d.comb += early.eq(self.valid)
        m.d.sync += self.o_valid.eq(early)
        return m


def stream_mutants(b: int = 4) -> Iterator[Named]:
    """Streams with one thing wrong, and a transform claimed a move early: every one must be refuted."""
    mutants: list[tuple[str, tuple[str, Proof]]] = []
    for kind, at in ((LeakyStream, 2), (RunawayStream, 0)):
        component = Pairwise(kind(lambda: Negate(b, latency=1), Number(b), Number(b), 1))
        mutants.append((kind.__name__, stream_claims(Block(component), 1)[at]))
    pair = data.StructLayout({"x": Number(b), "y": Number(b)})
    drifting = Block(Pairwise(DriftingStream(lambda: Adder(b, latency=2), pair, Number(b), 2)))
    mutants += [("DriftingStream", stream_claims(drifting, 2)[at]) for at in (0, 1)]
    for inverse in (False, True):
        latency = folded_latency(b, 4, 2)
        make = partial(FoldedTransform, b, 4, 2, inverse=inverse)
        block = Block(Pairwise(FramedStream(make, 2, latency, data.ArrayLayout(Number(b), 2))))
        mutants.append(("folded transform claimed a move early", stream_claims(block, latency - 1)[3]))
    latency = serial_latency2d(b, 2, 2, 2)
    hasty = Pairwise(HastyFrames(partial(SerialTransform2d, b, 2, 2), 4, latency, Number(b)))
    mutants.append(("HastyFrames", stream_claims(Block(hasty), latency, 4)[3]))
    for kind_, rows, columns, at in (
        (OneOrder, 2, 2, 2),
        (OneOrder, 2, 4, 2),
        (Untransposed, 4, 4, 2),
        (Eager, 2, 2, 2),
        (Eager, 2, 2, 3),
    ):
        claims = list(transposer_proofs(rows, columns, kind_))
        mutants.append((f"{kind_.__name__} {rows} x {columns}", claims[at]))
    for name, (claim, proof) in mutants:
        yield Named(f"mutant: {name}, {claim}", partial(given, proof), False)
