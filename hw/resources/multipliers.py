"""What a hard multiplier of xc7 takes in beside its product: registers around it, and a sum behind it."""

from dataclasses import dataclass, field

from fermatnet.hw.resources.cells import Assigned, Netlist, Operator

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
        users = self.netlist.users.get(net, ())
        return self.family == "xc7" and bool(users) and all(_is(user, kind, net) for user in users)


def _is(user: object, kind: str, net: int) -> bool:
    if isinstance(user, Assigned):
        return net in user.default
    return isinstance(user, Operator) and user.kind == kind
