"""Counters: the small exact adders that compressor trees are made of, one family for each kind of logic.

A counter takes bits (and two-input products, called pairs) of a few neighbouring columns and gives their
weighted sum in binary.
Everything a tree needs to know of it is here: what it takes, what it costs, its Verilog.

*lut6* (7-series and everything with six-input tables and a carry chain behind them). Position j of the chain
has one table for its propagate signal and one plain wire x_j for its generate signal; raw inputs go through
the tables only, and what they carry over is computed again from the raw inputs in the next position's table,
so that no table is spent on a generate signal::

      raw_0 (3 bits, or 2 pairs + 1 bit)          raw_1 (2 bits)
        |            '--- again ----------.--------'   '-- again --.
     [ LUT6 ]<- x_0                    [ LUT6 ]<- x_1           [ LUT6 ]<- x_2
        |                                 |                        |
  cin --+-- carry ------------------------+------------------------+---- o_3
       o_0                               o_1                      o_2

  Three tables take (5, 3, 1) bits of three columns and leave 4: 5/3 of a bit removed by each. With two pairs
  in the first column, two tables absorb two products and four bits and leave three.

*ecp5* (CCU2C). Position j adds two half-slots f(A, B) + g(C, D), any f and any g with g(0, 0) = 0: a product,
a bit, or one half of a half adder whose other half sits in the next position. Chains start at 0 and end
inside, so that nothing enters or leaves through the carry pins.

*asic*: full and half adders.
"""

from functools import cache

from fermatnet.hw.piecewise.compressor import ecp5, lut6
from fermatnet.hw.piecewise.compressor.counter import Counter, header, weighted_sum

__all__ = ["Counter", "adder", "by_name", "family", "verilog"]


def _plain_verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    return "\n".join([*header(counter, gates), f"    assign o = {weighted_sum(counter)};", "endmodule", ""])


_VERILOG = {"lut6": lut6.verilog, "ecp5": ecp5.verilog, "asic": _plain_verilog}


def verilog(counter: Counter, gates: tuple[str, ...]) -> str:
    """Module text; ``gates`` names the function of each pair: "and", "nand", "xor" or "xnor"."""
    return _VERILOG[counter.kind](counter, gates)


@cache
def family(target: str) -> tuple[Counter, ...]:
    """All counters of a target, the ones without a chain first."""
    if target == "lut6":
        tables = [
            Counter("lut6", 3, (), 2, 2),
            Counter("lut6", 2, (), 2, 2),
            Counter("lut6", 1, (), 1, 1),
            Counter("lut6", 0, (6,), 3, 3),
            Counter("lut6", 0, (3,), 2, 2),
            Counter("lut6", 0, (2,), 2, 2),
        ]
        return (*tables, *lut6.chains(3))
    if target == "ecp5":
        return (
            Counter("ecp5", 2, (), 2, 2),
            Counter("ecp5", 1, (), 1, 1),
            Counter("ecp5", 0, (3,), 2, 2),
            Counter("ecp5", 0, (2,), 2, 2),
            *ecp5.chains(2),
        )
    if target == "asic":
        return (
            Counter("asic", 1, (), 1, 0.25),
            Counter("asic", 0, (3,), 2, 1),
            Counter("asic", 0, (2,), 2, 0.5),
        )
    raise ValueError(f"target must be lut6, ecp5 or asic, not {target!r}")


_ADDERS: dict[str, Counter] = {}


@cache
def adder(target: str, heights: tuple[int, ...], width: int) -> Counter | None:
    """One long carry chain that adds what is left of a heap: one or two bits in each of the columns
    ``heights``, the sum cut to ``width`` bits. None where the target has no chains, or where yosys would not
    build this one: a lut6 chain begins with two bits and gives three or more."""
    outputs = min(width, sum(count << j for j, count in enumerate(heights)).bit_length())
    if target == "ecp5":
        length = outputs + outputs % 2
        columns = (*heights, *(0,) * length)[:length]
        positions = tuple((0, 0, count) for count in columns)
        counter = Counter("ecp5", 0, heights[:outputs], outputs, length, positions)
    elif target == "lut6" and outputs >= 3 and heights[0] == 2:
        positions = tuple((0, 1, count - 1) for count in heights)
        counter = Counter("lut6", 0, heights, outputs, len(heights), positions)
    else:
        return None
    known = _ADDERS.setdefault(counter.name, counter)
    assert known == counter, f"two counters are called {counter.name}"
    return known


def by_name(name: str) -> Counter | None:
    """The counter whose Verilog module is called so, gates left out."""
    return _by_name().get(name) or _ADDERS.get(name)


@cache
def _by_name() -> dict[str, Counter]:
    return {counter.name: counter for target in ("lut6", "ecp5", "asic") for counter in family(target)}
