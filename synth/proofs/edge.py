"""Proofs on the blocks at the edge: a queue of two, one verdict an image, results whole or not at all.

For all values and from any state that the stated invariant allows; the invariant holds after reset and each
edge keeps it.

*RegisterSlice*: ``o.payload`` and the skid place are a queue; an edge takes the head away where ``o``
moves, and appends what ``i`` brings. So nothing is lost, doubled or overtaken.

*LengthGuard*: beats at ``o`` are counted modulo ``beats``; every image has exactly one verdict, at its last
beat or before; after a beat with ``last`` the next one begins an image, and only then.

*ResultFilter*: once the first beat of an image has been let out (dropped), the others are let out (dropped)
too; the last one leaves only with its verdict, and of a bad image with the mark.
"""

from collections.abc import Iterator
from functools import partial

from amaranth.hdl import unsigned

from fermatnet.hw.stream.length_check import LengthGuard, ResultFilter
from fermatnet.hw.stream.register_slice import RegisterSlice
from fermatnet.synth.formal import Block, Named, Proof, constant

__all__ = ["edge_mutants", "edge_proofs", "filter_claims", "guard_claims", "slice_claims"]

PASS, FILL, SWALLOW = 0, 1, 2  # states of LengthGuard in the order in which it names them

Claims = Iterator[tuple[str, Proof]]


def _all(*terms: str) -> str:
    return f"(and true {' '.join(terms)})"


def _either(*terms: str) -> str:
    return f"(or false {' '.join(terms)})"


def _not(term: str) -> str:
    return f"(not {term})"


def _moves(block: Block, port: str, state: int = 0) -> str:
    return _all(block.high(f"{port}__valid", state), block.high(f"{port}__ready", state))


def slice_claims(kind: type[RegisterSlice] = RegisterSlice, bits: int = 8) -> Claims:
    """``kind`` is a queue of two places."""
    block = Block(kind(bits))
    running = _not(block.high("rst", 0))

    def allowed(state: int) -> str:
        return _either(block.high("i__ready", state), block.high("o__valid", state))

    yield (
        "the skid place is used only behind a waiting beat",
        Proof(block, allowed(1), [running, allowed(0)], 1),
    )
    head, skid = block.port("o__payload", 0), block.port("skid", 0)
    brought, takes, gives = block.port("i__payload", 0), _moves(block, "i"), _moves(block, "o")
    waits, full = block.high("o__valid", 0), _not(block.high("i__ready", 0))  # i.ready is the register `room`
    # The queue after the edge: what stays of (head, skid), then what came.
    first = f"(ite (and {waits} (not {gives})) {head} (ite {full} {skid} {brought}))"
    second = f"(ite (and {full} (not {gives})) {skid} {brought})"
    count = f"(bvsub (bvadd {_bit(waits)} {_bit(full)} {_bit(takes)}) {_bit(gives)})"
    after = f"(bvadd {_bit(block.high('o__valid', 1))} {_bit(_not(block.high('i__ready', 1)))})"
    contents = _all(
        f"(= {after} {count})",
        f"(=> {block.high('o__valid', 1)} (= {block.port('o__payload', 1)} {first}))",
        f"(=> (not {block.high('i__ready', 1)}) (= {block.port('skid', 1)} {second}))",
    )
    yield "an edge takes the head and appends what came", Proof(block, contents, [running, allowed(0)], 1)


def _bit(term: str) -> str:
    return f"(ite {term} {constant(1, 3)} {constant(0, 3)})"


def guard_claims(kind: type[LengthGuard] = LengthGuard, beats: int = 5) -> Claims:
    """``kind`` lets ``beats`` beats of every image through and gives one verdict for it."""
    block = Block(kind(unsigned(4), lanes=1, beats=beats))
    running, bits = _not(block.high("rst", 0)), max(1, (beats - 1).bit_length())

    def is_in(which: int, state: int) -> str:
        return f"(= {block.port('fsm_state', state)} {constant(which, 2)})"

    def at(place: int, state: int) -> str:
        return f"(= {block.port('place', state)} {constant(place, bits)})"

    def allowed(state: int) -> str:
        return _all(
            f"(bvult {block.port('fsm_state', state)} {constant(3, 2)})",
            f"(bvule {block.port('place', state)} {constant(beats - 1, bits)})",
            *([f"(= {block.high('at_end', state)} {at(beats - 1, state)})"] if beats > 1 else []),
            f"(=> {is_in(FILL, state)} (not {at(0, state)}))",
            f"(=> {is_in(SWALLOW, state)} {at(0, state)})",
            *(
                [f"(=> {block.high('room', state)} {block.high('verdict__ready', state)})"]
                if beats > 1
                else []
            ),
        )

    given = _moves(block, "verdict")
    kept = f"(=> (and {block.high('verdict__ready', 0)} (not {given})) {block.high('verdict__ready', 1)})"
    alone = [running, allowed(0)]
    assumed = [*alone, kept] if beats > 1 else alone
    yield "the states agree with the place", Proof(block, allowed(1), assumed, 1)
    now, then = block.port("place", 0), block.port("place", 1)
    ends = _all(_moves(block, "o"), at(beats - 1, 0))
    follows = f"(ite {at(beats - 1, 0)} {constant(0, bits)} (bvadd {now} {constant(1, bits)}))"
    yield (
        "beats are counted",
        Proof(block, f"(= {then} (ite {_moves(block, 'o')} {follows} {now}))", assumed, 1),
    )
    verdict, told = _moves(block, "verdict"), is_in(FILL, 0)
    once = _all(
        f"(=> {verdict} (not {told}))",
        f"(=> {ends} (or {told} {verdict}))",
        f"(= {is_in(FILL, 1)} (and (or {told} {verdict}) (not {ends})))",
    )
    yield "one verdict an image", Proof(block, once, assumed, 1)
    accepted, last = _moves(block, "i"), block.high("last", 0)
    begins = _either(is_in(FILL, 1), _all(is_in(PASS, 1), at(0, 1)))
    yield (
        "an image begins after last and only then",
        Proof(block, f"(=> {accepted} (= {last} {begins}))", assumed, 1),
    )
    right = _all(last, at(beats - 1, 0), block.high("whole", 0), _not(block.high("spoilt", 0)))
    good = f"(= {block.port('verdict__payload', 0)} #b0)"
    yield "good is the image of the right length", Proof(block, f"(=> {verdict} (= {good} {right}))", alone)


def filter_claims(kind: type[ResultFilter] = ResultFilter, beats: int = 5, early: bool = True) -> Claims:
    """``kind`` lets an image out whole, or from some beat on with a mark, or not at all."""
    block = Block(kind(unsigned(4), beats=beats, early=early))
    running, bits = _not(block.high("rst", 0)), max(1, (beats - 1).bit_length())

    def bad(state: int) -> str:
        return _all(block.high("verdict__valid", state), f"(= {block.port('verdict__payload', state)} #b1)")

    def allowed(state: int) -> str:
        """Within an image either a beat of it has left, or it is being dropped."""
        inside = _not(f"(= {block.port('place', state)} {constant(0, bits)})")
        return _all(
            f"(bvule {block.port('place', state)} {constant(beats - 1, bits)})",
            f"(=> {block.high('begun', state)} {inside})",
            f"(=> {inside} (or {block.high('begun', state)} {bad(state)}))",
        )

    waits = _all(block.high("verdict__valid", 0), _not(block.high("verdict__ready", 0)))
    stays = _all(
        block.high("verdict__valid", 1),
        f"(= {block.port('verdict__payload', 0)} {block.port('verdict__payload', 1)})",
    )
    assumed = [running, allowed(0), f"(=> {waits} {stays})"]
    accepted, out, last = _moves(block, "i"), _moves(block, "o"), block.high("last", 0)
    yield "whole or not at all", Proof(block, allowed(1), assumed, 1)
    dropped = _all(bad(0), _not(block.high("begun", 0)))
    yield (
        "a beat that is taken leaves unless its image is dropped",
        Proof(block, f"(=> {accepted} (= {out} (not {dropped})))", assumed, 1),
    )
    yield "no beat comes from nowhere", Proof(block, f"(=> {out} {accepted})", assumed, 1)
    known = block.high("verdict__valid", 0)
    marked = f"(=> {out} (= {block.high('invalid', 0)} {bad(0)}))"
    yield (
        "the last beat knows",
        Proof(block, _all(f"(=> (and {accepted} {last}) {known})", marked), assumed, 1),
    )
    pops = f"(= {_moves(block, 'verdict')} (and {accepted} {last} {known}))"
    yield "one verdict an image is taken", Proof(block, pops, assumed, 1)


def edge_proofs() -> Iterator[Named]:
    """All of them, for images of one beat, of two, and of five."""
    named_claims = [("register slice", slice_claims())]
    for beats in (1, 2, 5):
        named_claims.append((f"guard of {beats} beats", guard_claims(beats=beats)))
        named_claims += [
            (f"filter of {beats} beats{', early' * early}", filter_claims(beats=beats, early=early))
            for early in (False, True)
        ]
    for name, claims in named_claims:
        for claim, proof in claims:
            yield Named(f"{name}: {claim}", partial(_given, proof))


def _given(proof: Proof) -> Proof:
    return proof


# -- mutants: each must be refuted


class _Overwriting(RegisterSlice):
    """Puts what comes over the beat that waits."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += self.o.payload.eq(self.i.payload)
        return m


class _Forgetful(LengthGuard):
    """Gives a verdict again while it fills up a short image."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.verdict.valid.eq(1)
        return m


class _Leaky(ResultFilter):
    """Offers beats of images that it drops."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.o.valid.eq(self.i.valid)
        return m


def edge_mutants() -> Iterator[Named]:
    """Blocks with one thing wrong: every one must be refuted."""
    mutants = [(slice_claims(_Overwriting), 1), (guard_claims(_Forgetful), 2), (filter_claims(_Leaky), 1)]
    for claims, place in mutants:
        claim, proof = list(claims)[place]
        yield Named(f"mutant: {claim}", partial(_given, proof), False)
