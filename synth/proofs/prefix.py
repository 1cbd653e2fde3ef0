"""Proofs of the prefix form at widths where one claim is too much for a solver: cut at the carries.

1. The network alone, for all b-bit generate and propagate: its outputs obey the recurrence of carries one bit
   at a time, G[0] = g[0], G[i+1] = g[i+1] | p[i+1] G[i]; P[0] = p[0], P[i+1] = p[i+1] P[i].
2. The adder with *any* words in place of the network's outputs that obey this recurrence: the sum, or
   difference, modulo 2^b + 1.

`Adder.carries` is the network; the second claim replaces it by free inputs and leaves all else as it is.
Together: the adder.
"""

from collections.abc import Callable, Iterator
from functools import partial

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.prefix import prefix_carries
from fermatnet.synth.formal import Block, Named, Proof
from fermatnet.synth.proofs.claims import all_of, difference_modulo, operands, sum_modulo

__all__ = ["prefix_mutants", "prefix_proofs"]

Network = Callable[[Value, Value], tuple[list[Value], list[Value]]]


class PrefixNetwork(wiring.Component):
    """The carries of free generate and propagate bits: ports g, p -> G, P."""

    def __init__(self, b: int, network: Network = prefix_carries) -> None:
        self.b, self.network = b, network
        super().__init__(
            {"generate": In(b), "propagate": In(b), "group_generate": Out(b), "group_propagate": Out(b)}
        )

    def elaborate(self, platform):
        m = Module()
        g, p = self.network(self.generate, self.propagate)
        m.d.comb += [self.group_generate.eq(Cat(*g)), self.group_propagate.eq(Cat(*p))]
        return m


class OnCarries(wiring.Component):
    """An adder of the prefix form whose network is cut out: its inputs are ports, and its outputs come from
    ports."""

    def __init__(self, kind: type[Adder], b: int, latency: int) -> None:
        self.kind, self.b, self.latency = kind, b, latency
        words = {name: In(b) for name in ("group_generate", "group_propagate")} | {
            name: Out(b) for name in ("generate", "propagate")
        }
        super().__init__({"x": In(Number(b)), "y": In(Number(b)), "en": In(1), "o": Out(Number(b)), **words})

    def elaborate(self, platform):
        cut = [Signal(self.b, name=name) for name in ("g", "p", "group_g", "group_p")]

        def carries(inside: Module, generate: Value, propagate: Value) -> tuple[list[Value], list[Value]]:
            inside.d.comb += [cut[0].eq(generate), cut[1].eq(propagate)]
            return list(cut[2]), list(cut[3])

        m = Module()
        m.submodules.block = block = self.kind(self.b, latency=self.latency, form="prefix")
        block.carries = carries
        m.d.comb += [
            block.x.eq(self.x),
            block.y.eq(self.y),
            block.en.eq(self.en),
            self.o.eq(block.o),
            self.generate.eq(cut[0]),
            self.propagate.eq(cut[1]),
            cut[2].eq(self.group_generate),
            cut[3].eq(self.group_propagate),
        ]
        return m


def recurrence(block: Block, b: int) -> str:
    """The carries of state s0, one bit at a time."""
    g, p, group_g, group_p = (
        block.port(name, 0) for name in ("generate", "propagate", "group_generate", "group_propagate")
    )

    def upper(word: str) -> str:
        return f"((_ extract {b - 1} 1) {word})"

    def lower(word: str) -> str:
        return f"((_ extract {b - 2} 0) {word})"

    first = [
        f"(= ((_ extract 0 0) {group}) ((_ extract 0 0) {bit}))"
        for group, bit in ((group_g, g), (group_p, p))
    ]
    ripple = f"(= {upper(group_g)} (bvor {upper(g)} (bvand {upper(p)} {lower(group_g)})))"
    return all_of(*first, ripple, f"(= {upper(group_p)} (bvand {upper(p)} {lower(group_p)}))")


def network_proof(b: int, network: Network = prefix_carries) -> Proof:
    """Proof that a prefix network computes the recurrence of the carries."""
    block = Block(PrefixNetwork(b, network))
    return Proof(block, recurrence(block, b))


def adder_proof(kind: type[Adder], function: Callable[..., str], b: int, latency: int) -> Proof:
    """Proof that an adder is ``function`` wherever its carries obey the recurrence."""
    block = Block(OnCarries(kind, b, latency))
    claim, assumptions = operands(block, b, latency, {"o": function})
    return Proof(block, claim, [*assumptions, recurrence(block, b)], latency)


def prefix_proofs(b: int) -> Iterator[Named]:
    """The prefix form at every latency, in two steps."""
    yield Named("prefix network: carries obey the recurrence", partial(network_proof, b))
    for latency in (2, 1, 0):
        for name, kind, function in (
            ("adder", Adder, sum_modulo),
            ("subtractor", Subtractor, difference_modulo),
        ):
            yield Named(
                f"{name} prefix latency {latency}, on such carries",
                partial(adder_proof, kind, function, b, latency),
            )


# -- mutants: each must be refuted


def short_network(generate: Value, propagate: Value) -> tuple[list[Value], list[Value]]:
    """Leaves out the last level for all bits but the top one, whose carry closes the end-around loop."""
    g, p = prefix_carries(generate, propagate)
    half = len(generate) // 2
    high_g, high_p = prefix_carries(generate[half:], propagate[half:])
    return [*g[:half], *high_g[:-1], g[-1]], [*p[:half], *high_p[:-1], p[-1]]


class UngatedPrefix(Adder):
    """Increments a zero operand: the end-around carry forgets the flags."""

    def _prefix(self, m: Module, no_increment: Value, propagate: Value, keep: Value, both: Value):
        return super()._prefix(m, both, propagate, keep, both)


def prefix_mutants(b: int) -> Iterator[Named]:
    """One thing wrong in each of the two steps."""
    yield Named("mutant: prefix network a level short", lambda: network_proof(b, short_network), False)
    yield Named(
        "mutant: prefix adder without the zero gate",
        lambda: adder_proof(UngatedPrefix, sum_modulo, b, 0),
        False,
    )
