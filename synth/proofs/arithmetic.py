"""Proofs of the diminished-1 blocks and refutations of mutated ones. ``python -m
fermatnet.synth.proofs.arithmetic --results FILE.jsonl``

Every claim is against plain modular integers written in SMT-LIB, for all operand values and from any state of
the registers:

- adder, subtractor, butterfly: residue and layout of the result, each carry form, at the stated latency; the
  prefix form in two steps (`fermatnet.synth.proofs.prefix`), as it stands too where a solver is done with it
  in seconds;
- negation; conversion of every signed integer and back;
- rotator: k = 0 is the identity, and for every k the output for k + 1 is twice the output for k: by
  induction, 2^k;
  constant shifts: equal to the rotator for every k; sqrt(2): equal to the difference of the two rotations.

The contract of the streams is in ``fermatnet.synth.proofs.stream``, that of the convolution engine in
``fermatnet.synth.proofs.convolver``; one run here prints all.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import Adder, AddSub, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.hw.fermat.convert import Decoder, Encoder
from fermatnet.hw.fermat.number import Number, shifted
from fermatnet.hw.fermat.shift import Rotator, Sqrt2
from fermatnet.model.result_log import ResultLog, digest
from fermatnet.synth.formal import Block, Named, Proof, constant, residue, valid_number
from fermatnet.synth.proofs.arithmetic_mutants import mutants
from fermatnet.synth.proofs.claims import all_of, difference_modulo, negation, sum_modulo, two_operands
from fermatnet.synth.proofs.convolver import convolver_mutants, convolver_proofs, convolver_vacuities
from fermatnet.synth.proofs.prefix import prefix_proofs
from fermatnet.synth.proofs.stream import stream_proofs
from fermatnet.synth.proofs.stream_mutants import stream_mutants

__all__ = ["arithmetic_proofs", "check", "mutants", "run", "stream_mutants", "stream_proofs"]


def addition(kind: type[Adder], function: Callable[..., str], b: int, form: str, latency: int) -> Proof:
    """Proof that an adder or subtractor of ``form`` is ``function`` modulo 2^b + 1."""
    return two_operands(kind(b, latency=latency, form=form), b, latency, {"o": function})


class OneSign(wiring.Component):
    """`AddSub` that always adds or always subtracts."""

    def __init__(self, b: int, subtract: bool, latency: int) -> None:
        self.b, self.subtract, self.latency = b, subtract, latency
        layout = Number(b)
        super().__init__({"x": In(layout), "y": In(layout), "en": In(1), "o": Out(layout)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.block = block = AddSub(self.b, latency=self.latency)
        m.d.comb += [block.x.eq(self.x), block.y.eq(self.y), block.en.eq(self.en), self.o.eq(block.o)]
        m.d.comb += block.subtract.eq(self.subtract)
        return m


def either_sign(b: int, subtract: bool, latency: int = 2) -> Proof:
    """`AddSub` with ``subtract`` low or high."""
    function = difference_modulo if subtract else sum_modulo
    return two_operands(OneSign(b, subtract, latency), b, latency, {"o": function})


def encoding(b: int) -> Proof:
    """The residue of the output is v modulo F, for every b-bit signed v."""
    block, width = Block(Encoder(b, signed(b), latency=0)), b + 3
    v, o = f"((_ sign_extend 3) {block.port('i', 0)})", block.port("o", 0)
    wrapped = f"(ite (bvslt {v} {constant(0, width)}) (bvadd {v} {constant((1 << b) + 1, width)}) {v})"
    return Proof(block, all_of(f"(= {residue(o, b, width)} {wrapped})", valid_number(o, b)))


def decoding(b: int) -> Proof:
    """The output is the residue, or the residue minus F, whichever is in -2^(b-1)..2^(b-1)."""
    block, width = Block(Decoder(b, latency=0)), b + 3
    i, o = block.port("i", 0), f"((_ sign_extend 2) {block.port('o', 0)})"
    wrapped = f"(ite (bvslt {o} {constant(0, width)}) (bvadd {o} {constant((1 << b) + 1, width)}) {o})"
    half = 1 << (b - 1)
    bounds = f"(bvsle {o} {constant(half, width)}) (bvsge {o} {constant(-half, width)})"
    return Proof(block, f"(and (= {wrapped} {residue(i, b, width)}) {bounds})", [valid_number(i, b)])


class RotatorPair(wiring.Component):
    """Rotators by k and by k + 1 of the same number."""

    def __init__(self, b: int) -> None:
        self.b = b
        super().__init__(
            {
                "x": In(Number(b)),
                "k": In(range(2 * b)),
                "o": Out(b + 1),
                "next": Out(b + 1),
                "zeroth": Out(b + 1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for name, k, out in (
            ("first", self.k, self.o),
            ("second", self.k + 1, self.next),
            ("zeroth", 0, self.zeroth),
        ):
            m.submodules[name] = rotator = Rotator(self.b, latency=0)
            m.d.comb += [rotator.x.eq(self.x), rotator.k.eq(k), out.eq(rotator.o)]
        return m


def rotation(b: int) -> Proof:
    """x * 2^0 = x, and x * 2^(k+1) = 2 * (x * 2^k) for every k below 2b - 1."""
    block, width = Block(RotatorPair(b)), b + 3
    o, following, zeroth = (block.port(name, 0) for name in ("o", "next", "zeroth"))
    r = residue(o, b, width)
    claims = [
        f"(= {zeroth} {block.port('x', 0)})",
        valid_number(following, b),
        f"(= {residue(following, b, width)} {sum_modulo(r, r, b, width)})",
    ]
    bits = (2 * b - 1).bit_length()
    return Proof(
        block,
        all_of(*claims),
        [valid_number(block.port("x", 0), b), f"(bvult {block.port('k', 0)} {constant(2 * b - 1, bits)})"],
    )


class AllShifts(wiring.Component):
    """Every constant shift of x beside a rotator by k: ``same`` is high where shift number k equals the
    rotator's output."""

    def __init__(self, b: int) -> None:
        self.b = b
        super().__init__({"x": In(Number(b)), "k": In(range(2 * b)), "same": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rotator = rotator = Rotator(self.b, latency=0)
        m.d.comb += [rotator.x.eq(self.x), rotator.k.eq(self.k)]
        with m.Switch(self.k):
            for k in range(2 * self.b):
                with m.Case(k):
                    m.d.comb += self.same.eq(
                        shifted(self.x, k - 2 * self.b * (k % 2)).as_value() == rotator.o.as_value()
                    )
        return m


def constant_shifts(b: int) -> Proof:
    """Proof that the constant shifts by 0 to 2b - 1 equal the variable one."""
    block = Block(AllShifts(b))
    bits = (2 * b - 1).bit_length()
    assumptions = [
        valid_number(block.port("x", 0), b),
        f"(bvule {block.port('k', 0)} {constant(2 * b - 1, bits)})",
    ]
    return Proof(block, block.high("same", 0), assumptions)


class Sqrt2WithParts(wiring.Component):
    """``Sqrt2`` beside the two rotations it subtracts."""

    def __init__(self, b: int) -> None:
        self.b = b
        super().__init__({"x": In(Number(b)), "high": Out(b + 1), "low": Out(b + 1), "o": Out(b + 1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.sqrt2 = sqrt2 = Sqrt2(self.b, latency=0)
        m.d.comb += [
            sqrt2.x.eq(self.x),
            self.o.eq(sqrt2.o),
            self.high.eq(shifted(self.x, 3 * self.b // 4)),
            self.low.eq(shifted(self.x, self.b // 4)),
        ]
        return m


def square_root(b: int) -> Proof:
    """Proof that the multiplication by the square root of two is the difference of its parts."""
    block, width = Block(Sqrt2WithParts(b)), b + 3
    o, high, low = (block.port(name, 0) for name in ("o", "high", "low"))
    expected = difference_modulo(residue(high, b, width), residue(low, b, width), b, width)
    return Proof(
        block,
        all_of(f"(= {residue(o, b, width)} {expected})", valid_number(o, b)),
        [valid_number(block.port("x", 0), b)],
    )


def arithmetic_proofs(b: int, prefix_whole: int = 16) -> Iterator[Named]:
    """All proofs of one width, a multiple of 4 for sqrt(2); the prefix form also in one piece up to b =
    ``prefix_whole``."""
    yield Named(
        "butterfly latency 2, sum", lambda: two_operands(Butterfly(b, latency=2), b, 2, {"s": sum_modulo})
    )
    yield Named(
        "butterfly latency 2, difference",
        lambda: two_operands(Butterfly(b, latency=2), b, 2, {"d": difference_modulo}),
    )
    for subtract in (False, True):
        words = "subtracting" if subtract else "adding"
        yield Named(f"adder of either sign, {words}", partial(either_sign, b, subtract))
    yield Named("negation", lambda: negation(b))
    yield Named("rotator, every k", lambda: rotation(b))
    yield Named("constant shifts, every k", lambda: constant_shifts(b))
    yield Named("sqrt(2)", lambda: square_root(b))
    yield Named("from signed", lambda: encoding(b))
    yield Named("to signed", lambda: decoding(b))
    yield from prefix_proofs(b)
    for form in ("chain", "select", "prefix") if b <= prefix_whole else ("chain", "select"):
        for latency in (2, 1, 0):
            yield Named(
                f"adder {form} latency {latency}", partial(addition, Adder, sum_modulo, b, form, latency)
            )
            yield Named(
                f"subtractor {form} latency {latency}",
                partial(addition, Subtractor, difference_modulo, b, form, latency),
            )


def check(
    proofs: Iterator[Named], timeout_s: float = 300.0, log: ResultLog | None = None, group: str = ""
) -> Iterator[dict[str, Any]]:
    """Runs proofs one by one, or takes their rows from the log: name, ``holds``, ``as_expected``, seconds,
    solver."""
    log = log or ResultLog()
    for named in proofs:
        proof = named.make()
        yield log.row(
            f"proof/{group}/{named.name}/{digest(proof.script())}", partial(named.check, timeout_s, proof)
        )


def run(
    json_path: str | Path | None = None,
    widths: tuple[int, ...] = (16, 32, 64),
    *,
    results: str | Path | None = None,
    timeout_s: float = 300.0,
) -> list[dict[str, Any]]:
    """Runs every proof, prints a table, optionally writes JSON; the rows. ``results``: JSONL file that keeps
    each, to go on from."""
    from rich.console import Console

    console, log, rows = Console(width=150), ResultLog(results), []
    groups = [
        ("any b", stream_proofs()),
        ("any b", stream_mutants()),
        ("engine", convolver_proofs()),
        ("engine", convolver_mutants()),
    ]
    groups += [("engine", convolver_vacuities())]
    groups += [(f"b = {b}", proofs(b)) for b in widths for proofs in (arithmetic_proofs, mutants)]
    for group, proofs in groups:
        for row in check(proofs, timeout_s, log, group):
            rows.append({"group": group, **row})
            verdict = {True: "proved", False: "refuted", None: "no answer"}[row["holds"]]
            note = "" if row["as_expected"] else "   <-- NOT EXPECTED"
            console.print(
                f"{group:7} {verdict:9} {row['seconds']:7.2f} s  {row['proof']}{note}", highlight=False
            )
    console.print(f"{len(rows)} claims, {sum(row['as_expected'] for row in rows)} as expected")
    if json_path is not None:
        Path(json_path).write_text(json.dumps(rows, indent=1) + "\n")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Proofs of the Fermat arithmetic and of the stream contracts."
    )
    parser.add_argument("--results", help="JSONL file that keeps each row")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a proof")
    parsed = parser.parse_args()
    run(results=parsed.results, timeout_s=parsed.timeout)
