"""From an elaborated component to cells and nets: the one place that knows Amaranth's private netlist.

The netlist is `amaranth.hdl._nir`, the last stop before RTLIL text (the version is pinned), so every register
bit, adder, comparator and multiplexer is the one that will be in the Verilog.
"""

import itertools
import warnings
from typing import Any

from amaranth.hdl import Value
from amaranth.hdl import _nir as nir
from amaranth.hdl._ir import Fragment, PortDirection, build_netlist
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from fermatnet.hw.resources import cells
from fermatnet.hw.resources.cells import Assignment, Cell, Netlist, Word
from fermatnet.hw.rtl.platform import Platform

__all__ = ["read_netlist"]


def read_netlist(component: wiring.Component, platform: Platform) -> Netlist:
    """Cells of a component elaborated for ``platform``."""
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
    resets = frozenset(start for name, (start, _) in netlist.top.ports_i.items() if name == "rst")
    words = [_word(value) for signal, value in netlist.signals.items() if signal.attrs.get("keep")]
    kept = frozenset(cells.cell_of(net) for net in itertools.chain.from_iterable(words) if net > 1)
    return Netlist([_cell(cell) for cell in netlist.cells], resets, kept)


def _word(value: Any) -> Word:
    return tuple(map(int, value))  # a slice of amaranth's own type would check each net again


def _cell(cell: Any) -> Cell:
    """A cell of Amaranth's as one of ours."""
    reads = tuple(int(net) for net in cell.input_nets() if net > 1)
    match cell:
        case nir.Top():
            return cells.Ports(reads, tuple(_word(value) for value in cell.ports_o.values()))
        case nir.Operator():
            return cells.Operator(reads, cell.operator, tuple(map(_word, cell.inputs)), cell.width)
        case nir.Part():
            return cells.Part(reads, _word(cell.value), _word(cell.offset), cell.value_signed, cell.stride)
        case nir.Matches():
            return cells.Match(reads, _word(cell.value), cell.patterns)
        case nir.PriorityMatch():
            return cells.Priority(reads, int(cell.en), _word(cell.inputs))
        case nir.AssignmentList():
            steps = tuple(Assignment(int(one.cond), one.start, _word(one.value)) for one in cell.assignments)
            return cells.Assigned(reads, _word(cell.default), steps)
        case nir.FlipFlop():
            return cells.Register(reads, _word(cell.data), cell.init)
        case _:
            return _stored(cell, reads)


def _stored(cell: Any, reads: Word) -> Cell:
    """Memories, their ports and instances; what else there may be is a cell that nothing is known of."""
    match cell:
        case nir.Memory():
            loose = bool(cell.attributes.get("no_rw_check"))
            return cells.Memory(reads, cell.depth, cell.width, tuple(cell.init), loose)
        case nir.SyncWritePort():
            return cells.WritePort(reads, cell.memory, *map(_word, (cell.data, cell.addr, cell.en)))
        case nir.SyncReadPort():
            return cells.ReadPort(reads, cell.memory, _word(cell.addr), int(cell.en))
        case nir.AsyncReadPort():
            return cells.ReadPort(reads, cell.memory, _word(cell.addr), None)
        case nir.Instance():
            index = cell.parameters.get("INDEX")
            inputs = {name: _word(value) for name, value in cell.ports_i.items()}
            return cells.Instance(reads, cell.type, None if index is None else int(index), inputs)
        case _:
            return Cell(reads)
