"""Proofs of the stream contract: a waiting beat keeps its payload; nothing is lost, doubled or overtaken. For
all values and states.

A block with a fixed latency behind valid and ready (``PipelinedStream``, ``FramedStream``), over its own
steps ("moves"):

1. a beat that waits stays, payload unchanged; every register, memories included, is frozen on an edge without
   a move;
2. a beat is accepted exactly on a move with i.valid, and given out exactly on a move with the last valid bit
   set;
3. after ``latency`` moves the last valid bit is the one that entered, from any state: a shift register.

A two-dimensional transform holds a transposer, whose valid bit is no shift register. There 3. is put together
from: `FramedStream` moves only so that the core sees whole frames without a gap; each serial transform delays
its valid bit, hence keeps frames whole; the transposer, by an invariant of its counters that holds after
reset and is kept by every edge: a frame that enters whole leaves whole, rows x columns + 1 edges later, every
word once and in its transposed place, whatever follows it, and a gap leaves as a gap.

The convolution engine, which holds whole images, is in `fermatnet.synth.proofs.convolver`.
"""

from collections.abc import Callable, Iterator
from functools import partial

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from fermatnet.hw.fermat.adder import Adder
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.folded_transform import FoldedTransform, folded_latency
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.pipelined import FramedStream, PipelinedStream
from fermatnet.hw.fermat.serial_transform import SerialTransform, serial_latency
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d, Transposer, serial_latency2d
from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.synth.formal import Block, Named, Proof, constant

__all__ = ["Pairwise", "given", "serial_delay", "stream_claims", "stream_proofs", "transposer_proofs"]


def _all(*terms: str) -> str:
    return f"(and true {' '.join(terms)})"


def given(proof: Proof) -> Proof:
    """A proof that is made already, to be handed out by a partial."""
    return proof


class Pairwise(wiring.Component):
    """A stream wrapper with its own enable and last valid bit brought out for the proofs."""

    def __init__(self, inner: PipelinedStream | FramedStream) -> None:
        self.inner = inner
        members = inner.signature.members
        super().__init__({"i": members["i"], "o": members["o"], "moves": Out(1), "last": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self.inner
        wiring.connect(m, wiring.flipped(self.i), inner.i)
        wiring.connect(m, inner.o, wiring.flipped(self.o))
        m.d.comb += [self.moves.eq(inner.moves), self.last.eq(inner.last)]
        return m


def stream_claims(block: Block, latency: int, points: int = 0) -> list[tuple[str, Proof]]:
    """The claims of the module's text on a `Pairwise`; ``points`` > 0 (a frame's beats): whole frames for the
    core in place of 3."""
    running = f"(not {block.high('rst', 0)})"
    entered, moves, last = block.high("i__valid", 0), block.high("moves", 0), block.high("last", 0)
    valid, ready = block.high("o__valid", 0), block.high("o__ready", 0)
    steady = _all(
        f"(= {block.port('i__payload', 0)} {block.port('i__payload', 1)})", block.high("i__valid", 1)
    )
    source_keeps = f"(=> (and {entered} (not {block.high('i__ready', 0)})) {steady})"
    stays = _all(
        block.high("o__valid", 1), f"(= {block.port('o__payload', 0)} {block.port('o__payload', 1)})"
    )
    # yosys keeps a mark of initial states, block_is, and the inputs in a state: only registers may differ
    # between s0 and s1
    same_inputs = [
        f"(= {block.port(p, 0)} {block.port(p, 1)})"
        for p in ("i__payload", "i__valid", "o__ready", "rst", "clk")
    ]
    unmoved = _all(f"(not {moves})", *same_inputs, "(= (|block_is| s0) (|block_is| s1))")
    accept = f"(= (and {entered} {block.high('i__ready', 0)}) (and {entered} {moves}))"
    give = f"(= (and {valid} {ready}) (and {last} {moves}))"
    claims = [
        (
            "payload held while stalled",
            Proof(block, f"(=> (and {valid} (not {ready})) {stays})", [running, source_keeps], 1),
        ),
        ("every register frozen while stalled", Proof(block, f"(=> {unmoved} (= s0 s1))", [running], 1)),
        ("one in and one out per move", Proof(block, _all(accept, give))),
    ]
    if points:
        return [*claims, ("the core sees whole frames", _whole_frames(block, points))]
    steps = [f"(not {block.high('rst', t)})" for t in range(latency + 1)] + [
        block.high("moves", t) for t in range(latency)
    ]
    shift = f"(= {block.high('last', latency)} {entered})"
    return [*claims, (f"beats come out in order after {latency} moves", Proof(block, shift, steps, latency))]


def _whole_frames(block: Block, points: int) -> Proof:
    """Inside a frame nothing moves without a beat, and the counter ``place`` counts accepted beats modulo
    points."""
    bits = (points - 1).bit_length()
    now, then = (block.port("inner.place", t) for t in (0, 1))
    accepted = _all(block.high("i__valid", 0), block.high("i__ready", 0))
    gapless = (
        f"(=> (and {block.high('moves', 0)} (not (= {now} {constant(0, bits)}))) {block.high('i__valid', 0)})"
    )
    follows = (
        f"(ite (= {now} {constant(points - 1, bits)}) {constant(0, bits)} (bvadd {now} {constant(1, bits)}))"
    )
    counts = f"(= {then} (ite {accepted} {follows} {now}))"
    return Proof(block, _all(gapless, counts), [f"(not {block.high('rst', 0)})"], 1)


def streams(b: int = 4, n: int = 4) -> Iterator[tuple[str, Callable[[], PipelinedStream | FramedStream]]]:
    """Every stream wrapper around every kind of fixed-latency block; the contract does not depend on the data
    width."""
    pair = data.StructLayout({"x": Number(b), "y": Number(b)})
    both = data.StructLayout({"s": Number(b), "d": Number(b)})
    points, half = data.ArrayLayout(Number(b), n), data.ArrayLayout(Number(b), n // 2)
    yield "adder stream", lambda: PipelinedStream(lambda: Adder(b, latency=2), pair, Number(b), 2)
    yield (
        "combinational adder stream",
        lambda: PipelinedStream(lambda: Adder(b, latency=0), pair, Number(b), 0),
    )
    yield "butterfly stream", lambda: PipelinedStream(lambda: Butterfly(b, latency=2), pair, both, 2)
    yield (
        "parallel transform stream",
        lambda: PipelinedStream(lambda: ParallelTransform(b, n, stage_latency=2), points, points, 4),
    )
    for inverse in (False, True):
        name = "inverse" if inverse else "forward"
        serial = partial(SerialTransform, b, n, inverse=inverse)
        yield (
            f"serial {name} transform stream",
            partial(FramedStream, serial, n, serial_latency(b, n, 2), Number(b)),
        )
        folded = partial(FoldedTransform, b, n, n // 2, inverse=inverse)
        yield (
            f"folded {name} transform stream",
            partial(FramedStream, folded, 2, folded_latency(b, n, n // 2), half),
        )


class _Counters:
    """The transposer's counters in state s<t>, as terms."""

    def __init__(self, block: Block, size: int, t: int) -> None:
        bits = (size - 1).bit_length()
        put, get = (f"((_ extract {bits - 1} 0) {block.port(name, t)})" for name in ("put", "get"))
        parities = (f"((_ extract {bits} {bits}) {block.port(name, t)})" for name in ("put", "get"))
        self.valid, self.out = block.high("valid", t), block.high("o_valid", t)
        self.starts = f"(= {put} {constant(0, bits)})"
        # and no gap inside a frame
        self.running = _all(f"(not {block.high('rst', t)})", f"(=> (not {self.starts}) {self.valid})")
        step, at_zero = f"(distinct {' '.join(parities)})", f"(= {get} {constant(0, bits)})"
        # a frame is read while the next may come in, never behind it; the first of its steps is the edge
        # after its last word came
        self.invariant = _all(
            f"(=> (not {step}) {at_zero})",
            f"(=> {step} (bvule {put} {get}))",
        )


def transposer_proofs(
    rows: int, columns: int, kind: type[Transposer] = Transposer, bits: int = 2
) -> Iterator[tuple[str, Proof]]:
    """Claims on a transposer of words of any value: the invariant, whole frames through it, gaps through
    it."""
    size = rows * columns
    block = Block(kind(bits, rows, columns))
    edges = 2 * size + 1
    at = [_Counters(block, size, t) for t in range(edges + 1)]
    after_reset = Proof(block, at[1].invariant, [block.high("rst", 0)], 1)
    kept = Proof(block, at[1].invariant, [at[0].invariant, at[0].running], 1)
    entering = [at[0].invariant, at[0].starts, *(state.running for state in at[:edges])]
    moved = []
    for place in range(size):
        t = size + 1 + place
        source = place % rows * columns + place // rows
        moved += [at[t].out, f"(= {block.port('o', t)} {block.port('i', source)})"]
    whole = Proof(block, _all(*moved), [*entering, at[0].valid], edges)
    gap = Proof(block, f"(not {at[size + 1].out})", [*entering[: size + 4], f"(not {at[0].valid})"], size + 1)
    yield "the invariant holds after reset", after_reset
    yield "the invariant is kept", kept
    yield "a frame leaves whole and transposed", whole
    yield "a gap leaves as a gap", gap


def serial_delay(b: int, n: int, inverse: bool) -> tuple[int, Proof]:
    """(latency, proof) that a serial transform gives back its valid bit that many edges later, from any
    state."""
    steps = serial_latency(b, n, 2)
    block = Block(SerialTransform(b, n, inverse=inverse))
    running = [f"(not {block.high('rst', t)})" for t in range(steps + 1)]
    return steps, Proof(block, f"(= {block.high('o_valid', steps)} {block.high('valid', 0)})", running, steps)


def _two_dimensional(b: int, rows: int, columns: int, inverse: bool) -> Iterator[tuple[str, Proof]]:
    make = partial(SerialTransform2d, b, rows, columns, inverse=inverse)
    latency = serial_latency2d(b, rows, columns, 2)
    component = Pairwise(FramedStream(make, rows * columns, latency, Number(b)))
    yield from stream_claims(Block(component), latency, rows * columns)
    for n in sorted({rows, columns}):
        steps, shift = serial_delay(b, n, inverse)
        yield f"serial part of {n} points delays its valid bit {steps} edges", shift


def stream_proofs(only: tuple[str, ...] = (), b: int = 4) -> Iterator[Named]:
    """The stream contract of every wrapper and of the transposer, or of those named."""
    for name, make in streams(b):
        if not only or name in only:
            component = Pairwise(make())
            for claim, proof in stream_claims(Block(component), component.inner.latency):
                yield Named(f"{name}: {claim}", partial(given, proof))
    for rows, columns in ((2, 2), (4, 4), (2, 4), (4, 2)):
        for inverse in (False, True):
            name = f"{rows} x {columns} {'inverse' if inverse else 'forward'} transform stream"
            if not only or name in only:
                for claim, proof in _two_dimensional(b, rows, columns, inverse):
                    yield Named(f"{name}: {claim}", partial(given, proof))
        name = f"{rows} x {columns} transposer"
        if not only or name in only:
            for claim, proof in transposer_proofs(rows, columns):
                yield Named(f"{name}: {claim}", partial(given, proof))
