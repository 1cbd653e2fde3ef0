"""A netlist as resource prediction reads it: cells of a few kinds, connected by nets.

A *net* is one bit, an integer: ``cell << 16 | bit`` of the cell that drives it; 0 and 1 are the constants,
and cell 0 stands for the ports of the component. A word is a tuple of nets, lowest bit first.
"""

from dataclasses import dataclass, field

__all__ = [
    "Assigned",
    "Assignment",
    "Cell",
    "Instance",
    "Match",
    "Memory",
    "Netlist",
    "Operator",
    "Part",
    "Ports",
    "Priority",
    "ReadPort",
    "Register",
    "Word",
    "WritePort",
    "bit_of",
    "cell_of",
    "is_constant",
]

Word = tuple[int, ...]


def cell_of(net: int) -> int:
    """Index of the cell that drives a net, which is no constant."""
    return net >> 16


def bit_of(net: int) -> int:
    """Which bit of its cell's output a net is."""
    return net & 0xFFFF


def is_constant(word: Word) -> bool:
    """Whether every net of a word is 0 or 1."""
    return all(net <= 1 for net in word)


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """``reads``: the nets it depends on, constants left out, each once. A cell of this class itself is one
    that nothing is known of."""

    reads: Word


@dataclass(frozen=True, slots=True, eq=False)
class Ports(Cell):
    """``outputs``: the word of each output port, in the order of the ports."""

    outputs: tuple[Word, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Operator(Cell):
    """``kind``: Amaranth's sign of the operator, comparisons and right shifts with "u" or "s" before it;
    ``inputs`` as wide as each other where the operator wants it; ``width`` of the output."""

    kind: str
    inputs: tuple[Word, ...]
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Part(Cell):
    """Bits of ``value`` from ``offset`` times ``stride`` on; beyond its end its sign, if it is ``signed``,
    else 0."""

    value: Word
    offset: Word
    signed: bool
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Match(Cell):
    """Whether ``value`` fits one of the ``patterns``: "0", "1" or "-" a bit, highest first."""

    value: Word
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Priority(Cell):
    """The first of the ``inputs`` that is 1, where ``enable`` is."""

    enable: int
    inputs: Word


@dataclass(frozen=True, slots=True)
class Assignment:
    """``value`` to the bits from ``start`` on, where net ``condition`` is 1."""

    condition: int
    start: int
    value: Word

    def holds(self, bit: int) -> bool:
        """Whether it assigns this bit."""
        return self.start <= bit < self.start + len(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Assigned(Cell):
    """``default``, then the assignments one after the other."""

    default: Word
    assignments: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Register(Cell):
    """``data`` one cycle later, at first the bits of ``init``."""

    data: Word
    init: int


@dataclass(frozen=True, slots=True, eq=False)
class Memory(Cell):
    """``depth`` words of ``width`` bits, at first those of ``init``; its ports are cells of their own.
    ``loose``: a word that is read while it is written may be anything."""

    depth: int
    width: int
    init: tuple[int, ...]
    loose: bool


@dataclass(frozen=True, slots=True, eq=False)
class WritePort(Cell):
    """``memory``: index of the memory's cell; ``enable``: a net for each group of bits."""

    memory: int
    data: Word
    address: Word
    enable: Word


@dataclass(frozen=True, slots=True, eq=False)
class ReadPort(Cell):
    """``memory``: index of the memory's cell; ``enable``: of a port with a clock, else None."""

    memory: int
    address: Word
    enable: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Instance(Cell):
    """A module of its own called ``type``; ``index``: parameter INDEX, where it has one; ``inputs``: the word
    of each input port by its name."""

    type: str
    index: int | None
    inputs: dict[str, Word]


@dataclass
class Netlist:
    """Cells by their index, cell 0 the ports; ``resets``: nets of the reset port; ``kept``: cells that drive
    signals to be kept; ``readers``: how many cells read a cell; ``users``: cells that read a net."""

    cells: list[Cell]
    resets: frozenset[int]
    kept: frozenset[int]
    readers: dict[int, int] = field(init=False, default_factory=dict)
    users: dict[int, list[Cell]] = field(init=False, default_factory=dict)
    _ports: dict[int, list[ReadPort | WritePort]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for cell in self.cells:
            if isinstance(cell, ReadPort | WritePort):
                self._ports.setdefault(cell.memory, []).append(cell)
            for below in {cell_of(net) for net in cell.reads}:
                self.readers[below] = self.readers.get(below, 0) + 1
            for net in cell.reads:
                self.users.setdefault(net, []).append(cell)

    @property
    def outputs(self) -> tuple[Word, ...]:
        """Words of the output ports."""
        top = self.cells[0]
        assert isinstance(top, Ports)
        return top.outputs

    def ports_of(self, memory: int) -> list[ReadPort | WritePort]:
        """Ports of the memory that is cell ``memory``."""
        return self._ports.get(memory, [])
