"""Registers in a row that xc7 needs no flip-flops for: shift registers, and those before a multiplier's own.

yosys' ``xilinx_dsp`` takes two registers of an operand into the multiplier. ``xilinx_srl`` makes a table of
every other chain of three and more that have no reset, one enable, and readers behind the last one alone
(SRL16E up to 16 bits, SRLC32E up to 32, one table for each further 32); a bit more than that stays a
register.
"""

from collections import Counter

from fermatnet.hw.resources.contents import Contents

__all__ = ["taken_in"]

SHORTEST = 3


def taken_in(made: Contents) -> tuple[int, int]:
    """(tables, registers): what the shift registers take, and the registers that they and the multipliers
    take in."""
    readers = _readers(made)
    own = {value for value in made.operands if value in made.plain and readers[value >> 1] == 1}
    tables, registers = 0, len(own)
    for length in _chains({key: one for key, one in made.plain.items() if key not in own}, readers):
        over = length % 32 == 1 or length == 17
        tables, registers = tables - (over - length) // 32, registers + length - over
    return tables, registers


def _chains(plain: dict[int, tuple[int, int]], readers: Counter[int]) -> list[int]:
    """Length of each chain of registers that becomes a shift register."""
    # a register behind each that is read once, by a register with the same enable
    before = {
        result: value
        for result, (enable, value) in plain.items()
        if value in plain and plain[value][0] == enable and readers[value >> 1] == 1
    }
    lengths = []
    for result in before.keys() - set(before.values()):
        length, at = 1, result
        while at in before:
            length, at = length + 1, before[at]
        if length >= SHORTEST:
            lengths.append(length)
    return lengths


def _readers(made: Contents) -> Counter[int]:
    """How often each node is read."""
    readers: Counter[int] = Counter(literal >> 1 for literal in made.roots)
    for fanins in made.graph.fanins:
        readers.update(fanins)
    for arcs in made.graph.arcs.values():
        readers.update({source for source, _ in arcs})
    return readers
