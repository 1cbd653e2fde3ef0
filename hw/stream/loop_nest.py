"""Nested loops that step together: counters of which each knows its last turn and the end of its loop."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal

__all__ = ["LoopNest"]


class LoopNest:
    """Counters in module ``m``, one for each of ``levels``: (name, turns), outermost first. The innermost one
    counts in each cycle with ``step``, each other one where the loop in it ends.

    Members
    -------
    last : dict of Signal(1) by name
        The level is in its last turn: a register.
    end : dict of Signal(1) by name
        The level's loop ends in this cycle.
    """

    def __init__(self, m: Module, step: Signal, levels: Sequence[tuple[str, int]]):
        self.last: dict[str, Signal] = {}
        self.end: dict[str, Signal] = {}
        inner = step
        for name, turns in reversed(levels):
            inner = self._level(m, inner, name, turns)

    def _level(self, m: Module, inner: Signal, name: str, turns: int) -> Signal:
        counter = Signal(range(max(2, turns)), name=name)
        self.last[name] = last = Signal(name=f"last_{name}", init=turns == 1)
        self.end[name] = end = Signal(name=f"end_{name}")
        m.d.comb += end.eq(inner & last)
        if turns > 1:
            with m.If(inner):
                m.d.sync += [counter.eq(Mux(last, 0, counter + 1)), last.eq(counter == turns - 2)]
        return end
