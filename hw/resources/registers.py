"""Registers as yosys keeps them: with an enable where they hold by default, once where they are equal, inside
a multiplier that reads them."""

from typing import Any

from amaranth.hdl._nir import AssignmentList, FlipFlop, Matches, Operator, PriorityMatch

from fermatnet.hw.resources.walk import Walk

__all__ = ["Registers"]


class Registers(Walk):
    """Register bits."""

    def _register(self, net: Any, cell: FlipFlop, bit: int) -> int:
        """Holding by default becomes an enable, a constant under the reset pin costs nothing; equal registers
        are one."""
        result = self.graph.leaf()
        self.literals[net] = result
        self.pending.add(net)
        below = cell.data[bit]
        source = self.cells[below.cell] if below > 1 else None
        enable, value = self._enable(net, below, source)
        unread, key = net in self.pending, (enable, value, cell.init >> bit & 1)
        self.pending.discard(net)
        if unread and key in self.known:
            self.literals[net] = self.known[key]
            return self.known[key]
        if unread and value <= 1 and value == (cell.init >> bit & 1):
            self.literals[net] = value
            return value
        self.known[key] = result
        self.made.roots += [enable, value]
        if value in self.multiplied:  # the multiplier's own register
            self.absorbing.add(result)
        else:
            self.made.registers += not self._only(net, "*")
            if self._only(net, "+"):
                self.adding.add(result)
        return result

    def _enable(self, net: Any, below: Any, source: Any) -> tuple[int, int]:
        """Enable (1: always) and input of a register bit."""
        if not isinstance(source, AssignmentList):
            return 1, self.literal(below)
        assignments = [
            one for one in source.assignments if one.start <= below.bit < one.start + len(one.value)
        ]
        steps = [(one.cond, one.value[below.bit - one.start]) for one in assignments]
        if steps and steps[-1][1] <= 1 and self._is_reset(steps[-1][0]):
            steps.pop()
        enable = 1
        if source.default[below.bit] == net and steps:
            enable = self.graph.any_of([self.literal(cond) for cond, _ in steps])
            value, steps = self.literal(steps[0][1]), steps[1:]
        else:
            value = self.literal(source.default[below.bit])
        for cond, one in steps:
            value = self.graph.choose(self.literal(cond), self.literal(one), value)
        return enable, value

    def _only(self, net: Any, operator: str) -> bool:
        """Whether a register feeds multipliers (sums) only: on xc7 it is then theirs."""
        users = self.users.get(net, ())
        return (
            self.family == "xc7"
            and bool(users)
            and all(
                (isinstance(user, Operator) and user.operator == operator)
                or (isinstance(user, AssignmentList) and net in user.default)
                for user in users
            )
        )

    def _is_reset(self, cond: Any) -> bool:
        """Whether a condition is the reset port, matched against 1."""
        if cond <= 1:
            return False
        if cond.cell == 0:
            return cond.bit in self.reset
        cell = self.cells[cond.cell]
        if isinstance(cell, PriorityMatch):
            return cell.en == 1 and len(cell.inputs) == 1 and self._is_reset(cell.inputs[0])
        return isinstance(cell, Matches) and len(cell.value) == 1 and self._is_reset(cell.value[0])
