"""The walk from a netlist's outputs back to what feeds them: its state, shared by the readers of registers,
memories and words."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from amaranth.hdl._nir import Netlist

from fermatnet.hw.resources.carry import Chain
from fermatnet.hw.resources.contents import Contents

__all__ = ["Walk"]


class Walk(ABC):
    """Cells of a netlist and what has been made of them for ``family``; a *literal* is one of
    `fermatnet.hw.resources.graph`."""

    def __init__(self, netlist: Netlist, family: str):
        self.cells, self.family = netlist.cells, family
        self.made = Contents()
        self.graph = self.made.graph
        self.literals: dict[int, int] = {0: 0, 1: 1}  # net: literal
        # cell: literals of its outputs, for cells made as a whole
        self.outputs: dict[int, list[int]] = {}
        self.seen: set[int] = set()  # register bits and cells met
        self.todo: list[int] = []  # nets whose value is wanted at a pin
        self.readers: dict[int, int] = {}  # cell: how many cells read one of its nets
        self.words: dict[tuple, list[int]] = {}  # sums and comparisons by what they are of
        self.chains: dict[tuple, list[Chain]] = {}  # carry chains of ecp5 by their first position
        self.users: dict[int, list[Any]] = {}  # net: cells that read it
        self.pending: set[int] = set()  # register bits being made that nothing has read yet
        self.known: dict[tuple[int, int, int], int] = {}  # register bits by enable, input and initial value
        self.multiplied: set[int] = set()  # outputs of multipliers that have registers (xc7)
        # registers that only sums read: a multiplier that adds has room for them
        self.adding: set[int] = set()
        # outputs of a multiplier's register: one sum each is its too
        self.absorbing: set[int] = set()
        self.reset = {start for name, (start, _) in netlist.cells[0].ports_i.items() if name == "rst"}

    @abstractmethod
    def _make(self, net: Any) -> int:
        """Literal of a net that is met for the first time."""

    def literal(self, net: Any) -> int:
        self.pending.discard(net)
        if net not in self.literals:
            self.literals[net] = self._make(net)
        return self.literals[net]

    def _want(self, nets: Iterable[Any]) -> None:
        self.todo += [net for net in nets if net > 1]

    def _select(self, address: list[int], entries: list[int]) -> int:
        for literal in address:
            entries = [
                self.graph.choose(literal, entries[k + 1], entries[k]) for k in range(0, len(entries), 2)
            ]
        return entries[0]
