"""Registers as yosys keeps them: with an enable where they hold by default, once where they are equal, inside
a multiplier that reads them."""

from fermatnet.hw.resources.cells import (
    Assigned,
    Assignment,
    Cell,
    Match,
    Netlist,
    Priority,
    Register,
    bit_of,
    cell_of,
)
from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.multipliers import Multipliers
from fermatnet.hw.resources.signals import Signals

__all__ = ["Registers"]


class Registers:
    """Counts the registers of a netlist in ``made``, bit by bit. ``constant``: the bits that were found to
    stay as they are after something had read them."""

    def __init__(self, netlist: Netlist, signals: Signals, made: Contents, multipliers: Multipliers):
        self._netlist, self._signals, self._made, self._graph = netlist, signals, made, made.graph
        self._multipliers = multipliers
        self.constant: dict[int, int] = {}
        self._known: dict[tuple[int, int, int], int] = {}  # by enable, input and initial value

    def bit(self, net: int, cell: Register) -> int:
        """Literal of a register's bit. Holding by default becomes an enable, a constant under the reset pin
        costs nothing; equal registers are one."""
        result, init = self._graph.leaf(), cell.init >> bit_of(net) & 1
        self._signals.begin(net, result)
        enable, value, reset = self._enable(net, cell.data[bit_of(net)], init)
        if self._signals.is_unread(net):
            if (enable, value, init) in self._known:
                return self._known[enable, value, init]
            if value == init:
                return value
        elif value == init:
            self.constant[net] = value
        self._known[enable, value, init] = result
        self._made.roots += [enable, value]
        counted = self._count(net, value, result)
        if counted and not reset:
            self._made.plain[result] = enable, value
        elif not counted and not reset and value not in self._multipliers.products:
            self._made.operands.append(value)
        return result

    def _count(self, net: int, value: int, result: int) -> bool:
        """Whether the bit is a register of its own."""
        multipliers = self._multipliers
        if value in multipliers.products:
            multipliers.registered.add(result)
            return False
        counted = not multipliers.feeds_only(net, "*")
        self._made.registers += counted
        if multipliers.feeds_only(net, "+"):
            multipliers.addends.add(result)
        return counted

    def _enable(self, net: int, data: int, init: int) -> tuple[int, int, bool]:
        """Enable (1: always), input and whether there is a reset of the register bit ``net`` that takes
        ``data``."""
        literal, graph = self._signals.literal, self._graph
        source = self._netlist.cells[cell_of(data)] if data > 1 else None
        if not isinstance(source, Assigned):
            return 1, literal(data), False
        default, bit = source.default[bit_of(data)], bit_of(data)
        assigning, reset = self._assigning(source, bit)
        steps = [(one.condition, one.value[bit - one.start]) for one in assigning]
        cleared = self._cleared(steps, init if reset else None)
        if cleared is not None:
            self._made.roots.append(literal(steps.pop(cleared)[0]))
            reset = True
        enable = 1
        if default == net and steps:
            enable = graph.any_of([literal(condition) for condition, _ in steps])
            first, one = steps[0]
            value, steps = graph.where(literal(first), literal(one)), steps[1:]
        else:
            value = literal(default)
        for condition, one in steps:
            given = literal(condition)
            value = graph.choose(given, graph.where(given, literal(one)), value)
        return enable, graph.where(enable, value), reset

    def _assigning(self, source: Assigned, bit: int) -> tuple[list[Assignment], bool]:
        """Assignments to a bit, without the last one where that is the reset to a constant, which is the
        register's own; whether it is."""
        steps = [one for one in source.assignments if one.holds(bit)]
        last = steps[-1] if steps else None
        reset = last is not None and last.value[bit - last.start] <= 1 and self._is_reset(last.condition)
        return steps[: len(steps) - reset], reset

    def _cleared(self, steps: list[tuple[int, int]], init: int | None) -> int | None:
        """Which of the conditions and values is the register's own reset: a constant that no other condition
        overrides. A register with the reset pin, to ``init``, has room for the same value only."""
        if len(steps) < 2:
            return None
        for place in reversed(range(len(steps))):
            condition, value = steps[place]
            if value > 1 or init not in (None, value):
                continue
            if all(self._exclude(condition, other) for other, _ in steps[place + 1 :]):
                return place
        return None

    def _exclude(self, one: int, other: int) -> bool:
        """Whether two conditions are branches of the same decision."""
        same = min(one, other) > 1 and cell_of(one) == cell_of(other)
        return same and isinstance(self._netlist.cells[cell_of(one)], Priority)

    def _is_reset(self, net: int) -> bool:
        """Whether a condition is the reset port, matched against 1."""
        if net <= 1:
            return False
        if cell_of(net) == 0:
            return net in self._netlist.resets
        cell: Cell = self._netlist.cells[cell_of(net)]
        if isinstance(cell, Priority):
            return cell.enable == 1 and len(cell.inputs) == 1 and self._is_reset(cell.inputs[0])
        return isinstance(cell, Match) and len(cell.value) == 1 and self._is_reset(cell.value[0])
