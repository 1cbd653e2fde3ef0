"""Induction over harnesses: a design beside ghost registers, with its invariant, the claims that follow from it and what it assumes.

A harness is a component with one-bit outputs, written in the same language as the design:

- ``invariant``: relates the design's registers and the ghosts'. Proved: it holds after reset, and every edge keeps it.
- ``assumed``: what the parts around do; each such assumption is a claim about another part.
- any other output: a claim, proved in every state of the invariant, or some edges after one.

Inputs that the harness calls rigid keep their value: an arbitrary place or word, chosen once, so that what is proved of it is proved
of all.
"""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.synth.formal import Block, Proof

__all__ = ["Harness", "all_bits", "implies"]


def implies(condition: Any, consequence: Any) -> Value:
    """One bit: low only where the condition is high and the consequence low."""
    return ~Value.cast(condition).any() | Value.cast(consequence).any()


def all_bits(*terms: Any) -> Value:
    """One bit: high where every term is nonzero."""
    result = Value.cast(1)[0]
    for term in terms:
        result = result & Value.cast(term).any()
    return result


class Harness(wiring.Component):
    """A design with ghosts around it; a subclass fills `build` and lists its ports.

    ``claims``: name in words to (output, edges): proved ``edges`` edges after any state of the invariant. ``depth``: states in a row
    that the induction takes the invariant from, 1 where no pipeline hides a part of the state.
    """

    depth = 1
    rigid: tuple[str, ...] = ()
    claims: dict[str, tuple[str, int]] = {}

    def __init__(self, ports: dict[str, Any]) -> None:
        outputs = {output for output, _ in self.claims.values()} | {"invariant", "assumed"}
        super().__init__({**ports, **{name: Out(1) for name in sorted(outputs)}})

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        """Puts the design and the ghosts into ``m``; the value of each one-bit output by its name."""
        raise TypeError("a harness says what it holds")

    def elaborate(self, platform):
        m = Module()
        values = self.build(m, platform)
        for name, value in values.items():
            m.d.comb += getattr(self, name).eq(Value.cast(value).any())
        return m

    def proofs(self) -> Iterator[tuple[str, Proof]]:
        """(claim in words, proof) of every claim."""
        block = Block(self)

        def during(edges: int) -> list[str]:
            still = [f"(= {block.port(name, t)} {block.port(name, t + 1)})" for name in self.rigid for t in range(edges)]
            running = [f"(not {block.high('rst', t)})" for t in range(edges)]
            return still + running + [block.high("assumed", t) for t in range(edges + 1)]

        def invariant(edges: int) -> list[str]:
            return [block.high("invariant", t) for t in range(edges)]

        depth = self.depth
        reset = [block.high("rst", 0), *during(depth)[:-1]]
        reset.remove(f"(not {block.high('rst', 0)})")
        reset.remove(block.high("assumed", 0))
        first = " ".join(block.high("invariant", t) for t in range(1, depth + 1))
        yield "the invariant holds after reset", Proof(block, f"(and true {first})", [*reset, block.high("assumed", depth)], depth)
        yield "the invariant is kept", Proof(block, block.high("invariant", depth), [*invariant(depth), *during(depth)], depth)
        for words, (output, edges) in self.claims.items():
            yield words, Proof(block, block.high(output, edges), [*invariant(edges + 1), *during(edges)], edges)
