"""What a hard multiplier of xc7 takes in beside its product: registers around it, and a sum behind it."""

from dataclasses import dataclass, field

from fermatnet.hw.resources.cells import Assigned, Cell, Netlist, Operator, Register, bit_of, cell_of

__all__ = ["Multipliers"]


@dataclass
class Multipliers:
    """Which literals are near a multiplier.

    ``products``: outputs of multipliers, whose register is the multiplier's own; ``registered``: outputs of
    such registers, of which one sum each is its too; ``addends``: registers that only sums read, for which a
    multiplier that adds has room.
    """

    netlist: Netlist
    family: str
    products: set[int] = field(default_factory=set)
    registered: set[int] = field(default_factory=set)
    addends: set[int] = field(default_factory=set)

    def feeds_only(self, net: int, kind: str) -> bool:
        """Whether a register feeds operators of one kind only (and itself, to hold): on xc7 it is then
        theirs."""
        if self.family != "xc7":
            return False
        own = self._holding(net)
        users = [user for user in self.netlist.users.get(net, ()) if user is not own]
        return bool(users) and all(isinstance(user, Operator) and user.kind == kind for user in users)

    def _holding(self, net: int) -> Cell | None:
        """The cell that gives a register its own value where it holds."""
        cell = self.netlist.cells[cell_of(net)]
        data = cell.data[bit_of(net)] if isinstance(cell, Register) else 0
        source = self.netlist.cells[cell_of(data)] if data > 1 else None
        return source if isinstance(source, Assigned) and net in source.default else None
