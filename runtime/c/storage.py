"""How a tensor lies in memory: channels last, as integers of the narrowest type, or as packed bit planes of
piece indices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fermatnet.model.network.nodes import TensorType
from fermatnet.model.piecewise.planes import Planes, one_hot, short_planes

__all__ = [
    "Image",
    "Integers",
    "PlaneCode",
    "PlaneStore",
    "Store",
    "ctype",
    "plane_code",
    "value_type",
    "width_of",
]

_TYPES = (
    ("uint8_t", 0, (1 << 8) - 1),
    ("int8_t", -(1 << 7), (1 << 7) - 1),
    ("uint16_t", 0, (1 << 16) - 1),
    ("int16_t", -(1 << 15), (1 << 15) - 1),
    ("int32_t", -(1 << 31), (1 << 31) - 1),
    ("int64_t", -(1 << 63), (1 << 63) - 1),
)


def ctype(lo: int, hi: int) -> str:
    """The narrowest C type of <stdint.h> that holds lo..hi."""
    return next(name for name, low, high in _TYPES if low <= lo and hi <= high)


def value_type(lo: int, hi: int) -> str:
    """The type that a value is computed in: int32_t, or int64_t where lo..hi does not fit."""
    return "int32_t" if -(1 << 31) <= lo and hi < 1 << 31 else "int64_t"


def width_of(name: str) -> int:
    """Bytes of a type such as uint16_t."""
    return int(name.strip("uint_")) // 8


@dataclass(frozen=True)
class Image:
    """The caller's image: integers of ``dtype`` in the file's order (channel, row, column); never in RAM of
    ours."""

    kind: TensorType
    dtype: str = "uint8"

    @property
    def element(self) -> str:
        """C type of an element."""
        return f"{self.dtype}_t"

    def read(self, y: str, x: str, c: str) -> str:
        """Expression of one element."""
        _, height, width = self.kind.shape
        return f"(int32_t)image[(({c}) * {height}u + {y}) * {width}u + {x}]"


@dataclass(frozen=True)
class Integers:
    """Row, column, channel; one integer an element."""

    kind: TensorType

    @property
    def element(self) -> str:
        """C type of an element."""
        return ctype(self.kind.lo, self.kind.hi)

    @property
    def unit_bytes(self) -> int:
        """Bytes of an element."""
        return width_of(self.element)

    @property
    def bytes(self) -> int:
        """Bytes of the whole tensor."""
        return int(np.prod(self.kind.shape)) * self.unit_bytes

    def read(self, y: str, x: str, c: str, at: str) -> str:
        """Value of an element of the tensor that starts at the pointer ``at``."""
        channels, _, width = self.kind.shape
        return f"({value_type(self.kind.lo, self.kind.hi)}){at}[(({y}) * {width}u + {x}) * {channels}u + {c}]"


@dataclass(frozen=True)
class PlaneCode:
    """The bits that stand for each piece index. ``members``: 0/1 rows, one an index; index 0 is all zeros, as
    padding is.

    ``coefficients``: for each reader's levels, the weights of the planes: levels[index] = sum_j coefficient_j
    * bit_j."""

    members: tuple[tuple[int, ...], ...]

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(self.members[0])

    def encode(self) -> list[int]:
        """Plane bits of each index, plane 0 the lowest bit."""
        return [sum(bit << j for j, bit in enumerate(row)) for row in self.members]

    def decode(self) -> list[int]:
        """Index of each code, 0 where no index has it."""
        table = [0] * (1 << self.planes)
        for index, code in enumerate(self.encode()):
            table[code] = index
        return table

    @property
    def plain(self) -> bool:
        """Whether the code of an index is the index itself."""
        return self.encode() == list(range(len(self.members)))


def plane_code(top: int, readers: Sequence[np.ndarray]) -> tuple[PlaneCode, list[tuple[int, ...]]]:
    """A code for indices 0..top and the coefficients of each reader's levels in it.

    One reader, or several of equal levels: as few planes as their levels allow. Different levels share
    one-hot planes, in which any levels can be written."""
    rows = [tuple(int(level) for level in levels[: top + 1]) for levels in readers]
    if len(set(rows)) == 1 and top > 0:
        short: Planes = short_planes(np.array(rows[0]))
        return PlaneCode(short.members), [short.coefficients] * len(rows)
    hot = one_hot(np.arange(top + 1))
    if not hot.count:  # a threshold that is never passed
        return PlaneCode(((0,),) * (top + 1)), [(0,)] * len(rows)
    return PlaneCode(hot.members), [row[1:] for row in rows]


@dataclass(frozen=True)
class PlaneStore:
    """Bit planes: for each pixel, each plane, the channels' bits in units of ``unit`` bits, lowest bit first.

    ``flat``: all (row, column, channel) bits of a plane in one run of 32-bit words, for readers that take the
    whole map."""

    kind: TensorType
    code: PlaneCode
    flat: bool = False

    @property
    def unit(self) -> int:
        """8, 16 or 32 bits: the widest that wastes no more than the narrowest."""
        channels = self.kind.shape[0]
        return 32 if self.flat else min((32, 16, 8), key=lambda bits: (-(-channels // bits) * bits, -bits))

    @property
    def units(self) -> int:
        """Units of a plane of one pixel (of the map where flat)."""
        channels, height, width = self.kind.shape
        return -(-(channels * height * width if self.flat else channels) // self.unit)

    @property
    def element(self) -> str:
        """C type of a word."""
        return f"uint{self.unit}_t"

    @property
    def unit_bytes(self) -> int:
        """Bytes of a word."""
        return self.unit // 8

    @property
    def bytes(self) -> int:
        """Bytes of the whole tensor."""
        _, height, width = self.kind.shape
        return (1 if self.flat else height * width) * self.code.planes * self.units * self.unit_bytes

    def code_at(self, y: str, x: str, c: str, at: str) -> str:
        """The plane bits of an element as one small number."""
        channels, _, width = self.kind.shape
        if self.flat:
            place = f"(({y}) * {width}u + {x}) * {channels}u + {c}"
            return f"fn_code32({at}, {place}, {self.units}u, {self.code.planes}u)"
        pixel = f"{at} + (({y}) * {width}u + {x}) * {self.code.planes * self.units}u"
        return f"fn_code{self.unit}({pixel}, {c}, {self.units}u, {self.code.planes}u)"


Store = Image | Integers | PlaneStore
