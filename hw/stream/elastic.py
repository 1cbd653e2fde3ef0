"""Control of an elastic pipeline: one valid bit and one enable a stage, bubbles close up, nothing is lost
under any stall."""

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["elastic"]


def elastic(
    m: Module, valid: Value, ready: Value, depth: int, name: str = "stage"
) -> tuple[list[Signal], list[Signal]]:
    """Build the control of ``depth`` register stages behind an input with ``valid`` and in front of a
    consumer with ``ready``.

    Returns (valids, enables): stage k's data registers must load from stage k-1 when ``enables[k]``;
    ``valids[k]`` says that stage k holds an item, so ``valids[-1]`` is the output's valid and ``enables[0]``
    the input's ready. Ready never depends on the input's valid. A stage holds its item until the next one
    takes it.
    """
    valids = [Signal(name=f"{name}{k}_valid") for k in range(depth)]
    enables = [Signal(name=f"{name}{k}_en") for k in range(depth)]
    full = [Signal(name=f"{name}{k}_full") for k in range(depth)]  # it and all behind it hold an item
    for k in range(depth):
        m.d.comb += full[k].eq(Cat(valids[k:]).all())  # of the bits themselves: a chain is mapped as a chain
        # not from the next stage's enable: a consumer's ready often comes late
        m.d.comb += enables[k].eq(~full[k] | ready)
        with m.If(enables[k]):
            m.d.sync += valids[k].eq(valids[k - 1] if k else valid)
    return valids, enables
