"""Shift registers of xc7: registers without reset that pass on a bit which nobody else reads share a table,
or are taken in by the multiplier behind them.

yosys' ``xilinx_srl`` takes every such chain of three registers and more with one enable (SRL16E up to 16
bits, SRLC32E up to 32, one table for each further 32); a bit more than that stays a register.
"""

from collections import Counter

from fermatnet.hw.resources.contents import Contents

__all__ = ["SHORTEST", "chains", "operands", "tables_of"]

SHORTEST = 3


def chains(made: Contents) -> list[int]:
    """Length of each chain of registers that becomes a shift register."""
    readers = _readers(made)
    # a register behind each that is read once, by a register with the same enable
    before = {}
    for result, (enable, value) in made.plain.items():
        if value in made.plain and made.plain[value][0] == enable and readers[value >> 1] == 1:
            before[result] = value
    lengths, followed = [], set(before.values())
    for result in before.keys() - followed:
        length, at = 1, result
        while at in before:
            length, at = length + 1, before[at]
        if length >= SHORTEST:
            lengths.append(length)
    return lengths


def operands(made: Contents) -> int:
    """Registers before a multiplier's own ones that nobody else reads: it has room for two in a row."""
    readers = _readers(made)
    return sum(value in made.plain and readers[value >> 1] == 1 for value in made.operands)


def _readers(made: Contents) -> Counter[int]:
    """How often each node is read."""
    readers: Counter[int] = Counter(literal >> 1 for literal in made.roots)
    for fanins in made.graph.fanins:
        readers.update(fanins)
    for arcs in made.graph.arcs.values():
        readers.update({source for source, _ in arcs})
    return readers


def tables_of(length: int) -> tuple[int, int]:
    """(tables, registers) of a shift register of so many bits."""
    over = length % 32 == 1 or length == 17
    return -(-(length - over) // 32), int(over)
