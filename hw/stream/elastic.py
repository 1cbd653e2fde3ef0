"""Control of an elastic pipeline: one valid bit and one enable a stage, bubbles close up, nothing is lost
under any stall."""

from amaranth.hdl import Module, Shape, Signal, Value

from fermatnet.model.errors import InputError

__all__ = ["elastic", "range_shape"]


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
    for k in range(depth):
        m.d.comb += enables[k].eq(~valids[k] | (enables[k + 1] if k + 1 < depth else ready))
        with m.If(enables[k]):
            m.d.sync += valids[k].eq(valids[k - 1] if k else valid)
    return valids, enables


def range_shape(lo: int, hi: int) -> Shape:
    """Narrowest shape that holds lo..hi: two's complement when lo is negative, at least one bit."""
    if lo > hi:
        raise InputError(f"a range must not be empty: {lo}..{hi}")
    if lo >= 0:
        return Shape(max(1, hi.bit_length()))
    return Shape(max((~lo).bit_length(), hi.bit_length() if hi > 0 else 0) + 1, signed=True)
