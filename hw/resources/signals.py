"""What stands for each net of a netlist: literals of the graph of gates, made when they are first asked
for."""

from collections.abc import Callable, Iterable, Iterator

from fermatnet.hw.resources.cells import Word

__all__ = ["Signals"]


class Signals:
    """Literals of `fermatnet.hw.resources.graph` by net.

    ``make`` gives the literal of a net that is met for the first time. It may ask for others, and for the net
    itself where it has said with `begin` what stands for it (a register that reads itself).
    """

    def __init__(self, make: Callable[[int], int]):
        self._make = make
        self._literals: dict[int, int] = {0: 0, 1: 1}
        self._unread: set[int] = set()  # nets being made that nothing has read yet
        self._wanted: list[int] = []  # nets whose value is wanted at a pin

    def literal(self, net: int) -> int:
        """The literal of a net."""
        self._unread.discard(net)
        if net not in self._literals:
            self._literals[net] = self._make(net)
        return self._literals[net]

    def literals(self, word: Word) -> list[int]:
        """The literal of each net of a word."""
        return [self.literal(net) for net in word]

    def extended(self, word: Word, width: int) -> list[int]:
        """Literals of the lowest ``width`` bits, the highest one repeated where there are fewer."""
        literals = self.literals(word[:width])
        return literals + [literals[-1]] * (width - len(literals))

    def put(self, net: int, literal: int) -> None:
        """Says what stands for a net."""
        self._literals[net] = literal

    def known(self, net: int) -> int | None:
        """The literal of a net that something stands for already."""
        return self._literals.get(net)

    def begin(self, net: int, literal: int) -> None:
        """Says what stands for a net while it is being made."""
        self._literals[net] = literal
        self._unread.add(net)

    def is_unread(self, net: int) -> bool:
        """Whether nothing has asked for a net since `begin`, which ends with this."""
        unread = net in self._unread
        self._unread.discard(net)
        return unread

    def want(self, nets: Iterable[int]) -> None:
        """Nets that a pin of a memory, a multiplier or the component itself must get."""
        self._wanted += [net for net in nets if net > 1]

    def wanted(self) -> Iterator[int]:
        """The wanted nets, those too that are wanted meanwhile, the last ones first."""
        while self._wanted:
            yield self._wanted.pop()
