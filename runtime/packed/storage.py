"""How a tensor's numbers lie in memory: bytes, halves, words or bit planes, NHWC, and the byte that stands for zero."""

from dataclasses import dataclass

from fermatnet.model.network.nodes import TensorType
from fermatnet.model.piecewise.planes import Planes
from fermatnet.runtime.packed.program import Kind

__all__ = ["ELEMENT", "RESULT", "Storage", "native", "within_words"]

ELEMENT = {Kind.BYTES: 1, Kind.HALVES: 2, Kind.WORDS: 4, Kind.LONGS: 8, Kind.RESULT: 0}  # results lie in the caller's array


@dataclass(frozen=True)
class Storage:
    """One way to store a tensor.

    zero: BYTES hold value + zero; table: piece indices are stored as ``table[index]``, () as they are; planes: BITS, by piece index.
    """

    kind: Kind
    zero: int = 0
    table: tuple[int, ...] = ()
    planes: Planes | None = None

    def pixel_bytes(self, channels: int) -> int:
        """Bytes of one pixel (of one plane where there are planes)."""
        return -(-channels // 8) if self.kind == Kind.BITS else channels * ELEMENT[self.kind]

    def members(self) -> list[int]:
        """Of each plane the word whose bit p says whether piece p belongs to it."""
        assert self.planes is not None
        return [sum(int(bit) << piece for piece, bit in enumerate(column)) for column in self.planes.table.T]


RESULT = Storage(Kind.RESULT)


def within_words(kind: TensorType) -> bool:
    """Whether every value and its negative fit int32 with room for a limit below the least one."""
    return kind.lo > -(1 << 31) and kind.hi < (1 << 31) - 1


def native(kind: TensorType) -> Storage:
    """The smallest storage that holds all values of a range."""
    if 0 <= kind.lo and kind.hi <= 255:
        return Storage(Kind.BYTES)
    if -128 <= kind.lo and kind.hi <= 127:
        return Storage(Kind.BYTES, zero=128)
    if -(1 << 15) <= kind.lo and kind.hi < 1 << 15:
        return Storage(Kind.HALVES)
    return Storage(Kind.WORDS if -(1 << 31) <= kind.lo and kind.hi < 1 << 31 else Kind.LONGS)
