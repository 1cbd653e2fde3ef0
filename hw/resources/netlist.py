"""From an elaborated component to its gates, carry chains, registers, memories and multipliers.

The elaborated netlist is Amaranth's own (`amaranth.hdl._nir`, the last stop before RTLIL text; the version is
pinned), so every register bit, adder, comparator and multiplexer is the one that will be in the Verilog. What
yosys does to words before it maps bits is done here too: dead bits go, registers that hold by default get an
enable, chained additions become carry-save adders.
"""

import sys
import warnings
from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Value
from amaranth.hdl._ir import Fragment, PortDirection, build_netlist
from amaranth.hdl._nir import (
    AssignmentList,
    AsyncReadPort,
    FlipFlop,
    Matches,
    Operator,
    Part,
    PriorityMatch,
    SyncReadPort,
)
from amaranth.hdl._nir import Instance as InstanceCell
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.registers import Registers
from fermatnet.hw.resources.stores import Inside, Keeping, Stores
from fermatnet.hw.resources.words import Words

__all__ = ["elaborated"]


def elaborated(component: wiring.Component, family: str, *, inside: bool = False) -> Contents:
    """Contents of a component for ``family`` "xc7" or "ecp5"; ``inside``: of one from another's list
    ``inside``."""
    platform = Inside() if inside else Keeping()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fragment = Fragment.get(component, platform)
        ports = [
            (
                "__".join(map(str, path)),
                Value.cast(value),
                PortDirection.Input if member.flow is In else PortDirection.Output,
            )
            for path, member, value in component.signature.flatten(component)
        ]
        netlist = build_netlist(fragment, ports=ports)
    return _Reader(netlist, family, platform).read()


class _Reader(Registers, Stores, Words):
    """Walks from the outputs of the netlist back to what feeds them."""

    def read(self) -> Contents:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 100_000))
        for cell in self.cells:
            nets = [net for net in cell.input_nets() if net > 1]
            for below in {net.cell for net in nets}:
                self.readers[below] = self.readers.get(below, 0) + 1
            for net in nets:
                self.users.setdefault(net, []).append(cell)
        self.wanted = self._used_bits()
        for value in self.cells[0].ports_o.values():
            self._want(value)
        while self.todo:
            literal = self.literal(self.todo.pop())
            self.made.roots.append(literal)
        return self.made

    def _used_bits(self) -> dict[int, int]:
        """Highest bit of each cell that reaches an output, a register that does, or a memory: what lies above
        is never built."""
        top: dict[int, int] = {}
        todo: list[int] = []

        def need(nets: Iterable[Any]) -> None:
            for net in nets:
                if net > 1 and net.bit > top.get(net.cell, -1):
                    top[net.cell] = net.bit
                    todo.append(net.cell)

        for value in self.cells[0].ports_o.values():
            need(value)
        while todo:
            index = todo.pop()
            for nets in self._below(self.cells[index], top[index] + 1) if index else ():
                need(nets)
        return self._written_twice(top)

    def _written_twice(self, top: dict[int, int]) -> dict[int, int]:
        """Equal sums are one before their dead bits go: as wide as the widest of them is read."""
        first: dict[tuple, int] = {}
        same: dict[int, int] = {}  # cell: the first one that is equal
        moved: dict[int, int] = {}  # nets of the others
        widest: dict[int, int] = {}
        for index, cell in enumerate(self.cells):
            if isinstance(cell, Operator):
                values = [
                    value if moved.keys().isdisjoint(value) else tuple([moved.get(net, net) for net in value])
                    for value in cell.inputs
                ]
                one = same[index] = first.setdefault((cell.operator, *values), index)
                widest[one] = max(widest.get(one, 0), top.get(index, 0))
                if one != index:
                    moved.update({index << 16 | bit: one << 16 | bit for bit in range(cell.width)})
        return {
            index: widest[same[index]] if index in same and self.cells[index].operator in ("+", "-") else bit
            for index, bit in top.items()
        }

    def _below(self, cell: Any, width: int) -> list[Any]:
        """What the lowest ``width`` bits of a cell are made of."""
        if isinstance(cell, Operator) and cell.operator in ("~", "&", "|", "^", "+", "-", "*"):
            # a slice of amaranth's own type checks each net again
            return [list(value)[:width] for value in cell.inputs]
        if isinstance(cell, Operator) and cell.operator == "m":
            return [cell.inputs[0], *(list(value)[:width] for value in cell.inputs[1:])]
        if isinstance(cell, FlipFlop):
            return [list(cell.data)[:width]]
        if isinstance(cell, AssignmentList):
            read = [one for one in cell.assignments if one.start < width]
            return [
                list(cell.default)[:width],
                [one.cond for one in read],
                *(list(one.value)[: width - one.start] for one in read),
            ]
        if isinstance(cell, SyncReadPort | AsyncReadPort):
            return [
                list(port.input_nets()) for port in self.cells if getattr(port, "memory", None) == cell.memory
            ]
        return [list(cell.input_nets())]

    def _make(self, net: Any) -> int:
        cell, bit = self.cells[net.cell], net.bit
        if net.cell == 0:
            return self.graph.leaf()
        if isinstance(cell, FlipFlop):
            return self._register(net, cell, bit)
        if isinstance(cell, Operator):
            return self._operator(net.cell, cell, bit)
        if isinstance(cell, Matches):
            value = [self.literal(n) for n in cell.value]
            return self.graph.any_of(
                [
                    self.graph.all_of(
                        [
                            literal ^ (mark == "0")
                            for literal, mark in zip(reversed(value), pattern, strict=True)
                            if mark != "-"
                        ]
                    )
                    for pattern in cell.patterns
                ]
            )
        if isinstance(cell, PriorityMatch):
            taken = [self.literal(n) ^ 1 for n in cell.inputs[:bit]]
            return self.graph.all_of([self.literal(cell.en), self.literal(cell.inputs[bit]), *taken])
        if isinstance(cell, AssignmentList):
            result = self.literal(cell.default[bit])
            for one in cell.assignments:
                if one.start <= bit < one.start + len(one.value):
                    result = self.graph.choose(
                        self.literal(one.cond), self.literal(one.value[bit - one.start]), result
                    )
            return result
        if isinstance(cell, Part):
            return self._part(cell, bit)
        if isinstance(cell, InstanceCell):
            self._instance(net.cell, cell)
        elif isinstance(cell, SyncReadPort | AsyncReadPort):
            self._read_port(net.cell, cell)
        return self.graph.leaf()

    def _part(self, cell: Part, bit: int) -> int:
        offset = [self.literal(n) for n in cell.offset]
        fill = self.literal(cell.value[-1]) if cell.value_signed else 0
        entries = []
        for index in range(1 << len(offset)):
            at = bit + index * cell.stride
            entries.append(self.literal(cell.value[at]) if at < len(cell.value) else fill)
            if at >= len(cell.value) and index & (index - 1) == 0 and index:
                entries += [fill] * ((1 << len(offset)) - len(entries))
                break
        return self._select(offset, entries)
