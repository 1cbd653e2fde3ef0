"""Arithmetic blocks with one thing wrong: every claim about them must be refuted."""

from collections.abc import Iterator

from amaranth.hdl import Module

from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.negate import Negate
from fermatnet.hw.fermat.number import number
from fermatnet.synth.formal import Named
from fermatnet.synth.proofs.claims import negation, sum_modulo, two_operands
from fermatnet.synth.proofs.prefix import prefix_mutants

__all__ = ["ThesisNegate", "mutants"]


class UngatedAdder(Adder):
    """Forgets that a zero operand must stop the increment."""

    def elaborate(self, platform):
        m = Module()
        total = self.x.value + self.y.value
        final = total[: self.b] + ~total[self.b]
        m.d.comb += self.o.eq(number(self.b, final[: self.b], (self.x.zero & self.y.zero) | final[self.b]))
        return m


class ThesisNegate(Negate):
    """The printed negation, 2^b - X."""

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(
            number(self.b, (-self.x.value)[: self.b] & ~self.x.zero.replicate(self.b), self.x.zero)
        )
        return m


def mutants(b: int) -> Iterator[Named]:
    """Designs with one thing wrong, and one right design with a wrong claim: every one must be refuted."""
    yield Named(
        "mutant: adder without the zero gate",
        lambda: two_operands(UngatedAdder(b, latency=0), b, 0, {"o": sum_modulo}),
        False,
    )
    yield Named(
        "mutant: subtractor claimed to add",
        lambda: two_operands(Subtractor(b, latency=0), b, 0, {"o": sum_modulo}),
        False,
    )
    yield Named(
        "mutant: adder claimed a cycle early",
        lambda: two_operands(Adder(b, latency=2), b, 1, {"o": sum_modulo}),
        False,
    )
    yield from prefix_mutants(b)
    yield Named("mutant: negation as printed in the thesis", lambda: negation(b, ThesisNegate(b)), False)
