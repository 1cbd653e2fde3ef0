"""How a tensor's numbers lie in memory: bytes, halves, words or bit planes, NHWC, and the byte that stands
for zero.
"""

from dataclasses import dataclass, field

from fermatnet.model.network.nodes import TensorType
from fermatnet.model.piecewise.planes import Planes
from fermatnet.runtime.packed.program import Kind

__all__ = ["ELEMENT", "RESULT", "Storage", "Stored", "native", "within_words"]

ELEMENT = {
    Kind.BYTES: 1,
    Kind.HALVES: 2,
    Kind.WORDS: 4,
    Kind.LONGS: 8,
    Kind.RESULT: 0,
}  # results lie in the caller's array


@dataclass(frozen=True)
class Storage:
    """One way to store a tensor.

    zero: BYTES hold value + zero; table: piece indices are stored as ``table[index]``, () as they are;
    planes: BITS, by piece index; own: written by a function outside the kernels; pad: value that the border
    holds.
    """

    kind: Kind
    zero: int = 0
    table: tuple[int, ...] = ()
    planes: Planes | None = None
    own: bool = False
    pad: int = 0

    def pixel_bytes(self, channels: int) -> int:
        """Bytes of one pixel (of one plane where there are planes)."""
        return -(-channels // 8) if self.kind == Kind.BITS else channels * ELEMENT[self.kind]

    def members(self) -> list[int]:
        """Of each plane the word whose bit p says whether piece p belongs to it."""
        assert self.planes is not None
        return [sum(int(bit) << piece for piece, bit in enumerate(column)) for column in self.planes.table.T]


RESULT = Storage(Kind.RESULT)


@dataclass(eq=False)
class Stored:
    """A tensor in memory: border (top, left, bottom, right) around its map, the operations between which it
    lives.
    """

    name: str
    storage: Storage
    shape: tuple[int, int, int]
    border: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    first: int = 1 << 30
    last: int = -1
    offset: int = 0

    @property
    def pixel(self) -> int:
        """Bytes of a pixel."""
        return self.storage.pixel_bytes(self.shape[0])

    @property
    def row(self) -> int:
        """Bytes of a row, with its border."""
        return (self.shape[2] + self.border[1] + self.border[3]) * self.pixel

    @property
    def plane(self) -> int:
        """Bytes of one image's plane, borders included."""
        return (self.shape[1] + self.border[0] + self.border[2]) * self.row

    @property
    def planes(self) -> int:
        """Planes of bits, 1 where there are none."""
        return self.storage.planes.count if self.storage.planes else 1

    @property
    def image(self) -> int:
        """Bytes of one image, whole words of 8 so that int64 tensors stay aligned."""
        return -(-self.plane * self.planes // 8) * 8


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
