"""From an elaborated component to its gates, carry chains, registers, memories and multipliers.

What yosys does to words before it maps bits is done here too: dead bits go, registers that hold by default
get an enable, chained additions become carry-save adders. A reader walks from the outputs of the netlist back
to what feeds them; each kind of cell has a part that knows it, and all parts write into one `Contents`.
"""

import sys

from amaranth.lib import wiring

from fermatnet.hw.resources.cells import (
    Assigned,
    Instance,
    Match,
    Netlist,
    Operator,
    Part,
    Priority,
    ReadPort,
    Register,
    bit_of,
    cell_of,
)
from fermatnet.hw.resources.chains import Chains
from fermatnet.hw.resources.comparisons import Comparisons
from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.decisions import Decisions
from fermatnet.hw.resources.multipliers import Multipliers
from fermatnet.hw.resources.netlist import read_netlist
from fermatnet.hw.resources.operators import Operators
from fermatnet.hw.resources.platform import Inside, Keeping
from fermatnet.hw.resources.registers import Registers
from fermatnet.hw.resources.signals import Signals
from fermatnet.hw.resources.stores import Stores
from fermatnet.hw.resources.sums import Sums
from fermatnet.hw.resources.used import used_bits

__all__ = ["elaborated"]

DEPTH = 100_000  # of recursion: a net is made after all those that it is made of


def elaborated(component: wiring.Component, family: str, *, inside: bool = False) -> Contents:
    """Contents of a component for ``family`` "xc7" or "ecp5"; ``inside``: of one from another's list
    ``inside``."""
    platform = Inside() if inside else Keeping()
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEPTH))
    netlist, constant = read_netlist(component, platform), dict[int, int]()
    while True:  # what reads a constant register is less than it seemed: read again
        reader = _Reader(netlist, family, platform, constant)
        made = reader.read()
        if reader.constant.keys() <= constant.keys():
            return made
        constant |= reader.constant


class _Reader:
    """The parts that know the kinds of cells, and which of them makes a net."""

    def __init__(self, netlist: Netlist, family: str, platform: Inside, constant: dict[int, int]):
        self._netlist, self._platform, self._made = netlist, platform, Contents()
        self._signals = signals = Signals(self._make)
        made, multipliers, chains = self._made, Multipliers(netlist, family), Chains(self._made, family)
        self._registers = Registers(netlist, signals, made, multipliers)
        for net, literal in constant.items():
            signals.put(net, literal)
        self._decisions = Decisions(signals, made.graph)
        self._stores = Stores(netlist, signals, made, platform=platform, family=family)
        self._operators = Operators(
            netlist,
            signals,
            made,
            used=used_bits(netlist),
            sums=Sums(netlist, signals, made, chains, multipliers),
            comparisons=Comparisons(made, chains, family),
            multipliers=multipliers,
            family=family,
        )

    @property
    def constant(self) -> dict[int, int]:
        """Registers' bits that `read` found to be constant too late."""
        return self._registers.constant

    def read(self) -> Contents:
        """All that reaches an output."""
        for word in self._netlist.outputs:
            self._signals.want(word)
        for net in self._signals.wanted():
            self._made.roots.append(self._signals.literal(net))
        self._made.registers = max(0, self._made.registers - self._platform.own)
        return self._made

    def _make(self, net: int) -> int:
        """Literal of a net that is met for the first time."""
        index, bit = cell_of(net), bit_of(net)
        match self._netlist.cells[index]:
            case Register() as cell:
                return self._registers.bit(net, cell)
            case Operator() as cell:
                return self._operators.bit(net, cell)
            case Match() as cell:
                return self._decisions.matched(cell)
            case Priority() as cell:
                return self._decisions.first(cell, bit)
            case Assigned() as cell:
                return self._decisions.assigned(cell, bit)
            case Part() as cell:
                return self._decisions.part(cell, bit)
            case Instance() as cell:
                self._stores.instance(index, cell)
                if (known := self._signals.known(net)) is not None:
                    return known
            case ReadPort() as cell:
                self._stores.read_port(index, cell)
        return self._made.graph.leaf()
