"""Control of an elastic pipeline: one valid bit and one enable a stage, bubbles close up, nothing is lost
under any stall."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from fermatnet.hw.rtl.clock import Clock

__all__ = ["elastic", "short"]

NEAR = 3  # stages whose valid bits make an enable at once
CHAIN = 2  # tables before and behind them: of ready, and of what the enable moves


def short(clock: Clock | None) -> bool:
    """Whether a cycle of ``clock`` has no time for the chain of tables over the stages."""
    return clock is not None and clock.budget < (NEAR + CHAIN) * clock.table()


def elastic(
    m: Module, valid: Value, ready: Value, depth: int, name: str = "stage", clock: Clock | None = None
) -> tuple[list[Signal], list[Signal]]:
    """Build the control of ``depth`` register stages behind an input with ``valid`` and in front of a
    consumer with ``ready``.

    Returns (valids, enables): stage k's data registers must load from stage k-1 when ``enables[k]``;
    ``valids[k]`` says that stage k holds an item, so ``valids[-1]`` is the output's valid and ``enables[0]``
    the input's ready. Ready never depends on the input's valid. A stage holds its item until the next one
    takes it. ``clock``: where it is `short`, all but the last stage's answers are registers: synthesis makes
    a chain over the stages even of one table's worth.
    """
    valids = [Signal(name=f"{name}{k}_valid") for k in range(depth)]
    enables = [Signal(name=f"{name}{k}_en") for k in range(depth)]
    full = _full(m, valids, valid, ready, name, 1 if short(clock) else NEAR)
    for k in range(depth):
        # not from the next stage's enable: a consumer's ready often comes late
        m.d.comb += enables[k].eq(~full[k] | ready)
        with m.If(enables[k]):
            m.d.sync += valids[k].eq(valids[k - 1] if k else valid)
    return valids, enables


def _full(m: Module, valids: list[Signal], valid: Value, ready: Value, name: str, near: int) -> list[Signal]:
    """Of each stage whether it and all behind it hold an item. More than ``near`` stages from the end these
    are registers: what they enable is far from the valid bits, too."""
    depth = len(valids)
    full = [Signal(name=f"{name}{k}_full") for k in range(depth)]
    one_bubble: Value = ~valids[-1]
    for k in reversed(range(depth)):
        if k < depth - 1:
            one_bubble = Mux(valids[k], one_bubble, full[k + 1])
        if depth - k <= near:
            m.d.comb += full[k].eq(Cat(valids[k:]).all())
            continue
        before = valids[k - 1] if k else valid
        # all move, or an item closes the last bubble there is
        moved, closed = before & Cat(valids[k:-1]).all(), full[k] | (before & one_bubble)
        m.d.sync += full[k].eq(Mux(ready, moved, closed))
    return full
