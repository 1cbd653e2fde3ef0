"""Comparisons as a family's carry chains answer them soonest."""

from amaranth.hdl import Value

__all__ = ["at_least"]


def at_least(a: Value, b: Value, target: str) -> Value:
    """Whether ``a >= b``, one bit.

    On ``target`` "ecp5" it is the sign of a difference, a sum bit of the chain. What yosys makes of ``>=``
    there reads the last carry (of signed values the last two, for the overflow), each through a cell more and
    its wires: 3.3 ns behind a chain of 20 bits, placed, in place of 1.4.
    """
    return ~(a - b)[-1] if target == "ecp5" else a >= b
