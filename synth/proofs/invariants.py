"""Induction over harnesses: a design beside ghost registers, with its invariant, the claims that follow from
it and what it assumes.

A harness is a component with one-bit outputs, written in the same language as the design:

- ``invariant``: relates the design's registers and the ghosts'. Proved: it holds after reset, and every edge
  keeps it.
- ``assumed``: what the parts around do; each such assumption is a claim about another part.
- any other output: a claim, proved in every state of the invariant, or some edges after one.

Inputs that the harness calls rigid keep their value: an arbitrary place or word, chosen once, so that what is
proved of it is proved of all.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from fermatnet.hw.fermat.counters import Counters
from fermatnet.synth.formal import Block, Proof

__all__ = ["Harness", "all_bits", "follows", "implies", "in_range", "length", "linear"]


def implies(condition: Any, consequence: Any) -> Value:
    """One bit: low only where the condition is high and the consequence low."""
    return ~Value.cast(condition).any() | Value.cast(consequence).any()


def all_bits(*terms: Any) -> Value:
    """One bit: high where every term is nonzero."""
    conjunction = Value.cast(1)[0]
    for term in terms:
        conjunction = conjunction & Value.cast(term).any()
    return conjunction


def linear(counters: Counters, level: int = 0) -> Any:
    """Position of nested counters from ``level`` on, as one number."""
    at: Any = 0
    for value, size in zip(counters.values[level:], counters.sizes[level:], strict=True):
        at = at * size + value
    return at


def length(counters: Counters, level: int = 0) -> int:
    """How many positions `linear` has."""
    return prod(counters.sizes[level:])


def in_range(counters: Counters) -> Value:
    """Every counter is below its size."""
    return all_bits(*(value < size for value, size in zip(counters.values, counters.sizes, strict=True)))


def follows(at: Any, enable: Any, total: int, name: str, m: Module) -> Value:
    """One edge later: whether ``at`` went on by one, modulo total, exactly if ``enable`` was high."""
    before = Signal(range(total), name=f"{name}_before", reset_less=True)
    m.d.sync += before.eq(Mux(enable, Mux(at == total - 1, 0, at + 1), at))
    return at == before


class Harness(wiring.Component):
    """A design with ghosts around it; a subclass fills `build` and lists its ports.

    ``covers``: (in words, output, edges) that must be possible where the invariant holds, so that no claim is
    true of nothing.
    ``claims``: (in words, output, edges), proved ``edges`` edges after any state of the invariant. ``depth``:
    states in a row that the induction takes the invariant from, 1 where no pipeline hides a part of the
    state.
    """

    depth = 1
    rigid: tuple[str, ...] = ()
    claims: tuple[tuple[str, str, int], ...] = ()
    covers: tuple[tuple[str, str, int], ...] = ()

    def __init__(self, ports: dict[str, Any]) -> None:
        outputs = {output for _, output, _ in (*self.claims, *self.covers)} | {"invariant", "assumed"}
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
        block, depth = Block(self), self.depth
        reset = [block.high("rst", 0), *self._during(block, depth, after_reset=True)]
        first = " ".join(block.high("invariant", t) for t in range(1, depth + 1))
        yield "the invariant holds after reset", Proof(block, f"(and true {first})", reset, depth)
        kept = [*self._invariant(block, depth), *self._during(block, depth)]
        yield "the invariant is kept", Proof(block, block.high("invariant", depth), kept, depth)
        for words, output, edges in self.claims:
            yield (
                words,
                Proof(
                    block,
                    block.high(output, edges),
                    [*self._invariant(block, edges + 1), *self._during(block, edges)],
                    edges,
                ),
            )

    def vacuities(self) -> Iterator[tuple[str, Proof]]:
        """(in words, proof that it never is) of all that must be possible: each must be refuted."""
        block = Block(self)
        for words, output, edges in self.covers:
            never = f"(not {block.high(output, edges)})"
            yield (
                words,
                Proof(block, never, [*self._invariant(block, edges + 1), *self._during(block, edges)], edges),
            )

    def _invariant(self, block: Block, states: int) -> list[str]:
        return [block.high("invariant", t) for t in range(states)]

    def _during(self, block: Block, edges: int, after_reset: bool = False) -> list[str]:
        """What is taken of the inputs over some edges; ``after_reset``: the first of them is a reset."""
        still = [
            f"(= {block.port(name, t)} {block.port(name, t + 1)})"
            for name in self.rigid
            for t in range(edges)
        ]
        running = [f"(not {block.high('rst', t)})" for t in range(after_reset, edges)]
        return still + running + [block.high("assumed", t) for t in range(after_reset, edges + 1)]
