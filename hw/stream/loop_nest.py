"""Nested loops that step together: counters of which each knows its last turn and the end of its loop."""

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value

__all__ = ["LoopNest"]


class LoopNest:
    """Counters in module ``m``, one for each of ``levels``: (name, turns), outermost first. The innermost one
    counts in each cycle with ``step``, each other one where the loop in it ends.

    Members
    -------
    count : dict of Signal by name
        The level's turn, from 0.
    last : dict of Signal(1) by name
        The level is in its last turn: a register.
    full : dict of Value by name
        The level and all in it are in their last turns: a register, or a constant.
    end : dict of Signal(1) by name
        The level's loop ends in this cycle: ``step`` and ``full``.
    """

    def __init__(self, m: Module, step: Signal, levels: Sequence[tuple[str, int]]):
        self.count: dict[str, Signal] = {}
        self.last: dict[str, Signal] = {}
        self.full: dict[str, Value] = {}
        self.end: dict[str, Signal] = {}
        inner, full, coming = step, Const(1), None
        for name, turns in reversed(levels):
            self.count[name] = counter = Signal(range(max(2, turns)), name=name)
            self.last[name] = last = Signal(name=f"last_{name}", init=turns == 1)
            if turns > 1:
                with m.If(inner):
                    m.d.sync += [counter.eq(Mux(last, 0, counter + 1)), last.eq(counter == turns - 2)]
                # With the step to the last state of all loops within, a level does not move: whether it will
                # be in its last turn then, it knows before. The innermost loop of several turns looks ahead.
                if coming is None:
                    coming, full = counter == turns - 2, last
                else:
                    coming, full = coming & last, Signal(name=f"full_{name}")
                    with m.If(step):
                        m.d.sync += full.eq(coming)
            self.full[name] = full
            self.end[name] = inner = Signal(name=f"end_{name}")
            m.d.comb += inner.eq(step & full)
