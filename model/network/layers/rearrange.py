"""Layers that move values and change none: padding, cropping, upsampling, choosing channels, pixel
shuffle."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.layers.windows import padded
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import check_pair, require

__all__ = ["DepthToSpace", "Pad", "SelectChannels", "Slice", "Upsample"]


@dataclass(eq=False)
class _Rearranging(Node):
    """Passes piece indices on as such, and integers too."""

    INDICES: ClassVar[bool | None] = None

    def writes_indices(self, index: list[bool]) -> bool:
        return index[0]

    def op(self, net: Context) -> str:
        return f"{type(self).__name__}{'Index' if net.is_index(self.name) else ''}"


def _ops(
    name: str, write: Any, attributes: tuple[str, ...], inputs: tuple[str, ...] = ("x",)
) -> dict[str, Op]:
    """The operator for integers, and the one for indices, which stay uint8."""

    def integers(b: Body) -> None:
        write(b, b.int64("x"), "y")

    def indices(b: Body) -> None:
        b.uint8(write(b, b.int64("x"), ""), out="y")

    return {name: Op(integers, inputs, attributes), f"{name}Index": Op(indices, inputs, attributes)}


def _pad(b: Body, x: str, out: str) -> str:
    return b.op("Pad", x, b.op("Constant", renamed={"value_ints": "padding"}), b.attribute("value"), out=out)


@dataclass(eq=False)
class Pad(_Rearranging):
    """``pad`` = (top, left, bottom, right) rows and columns that hold ``value``."""

    pad: tuple[int, int, int, int]
    value: int = 0

    OPS: ClassVar[dict[str, Op]] = _ops("Pad", _pad, ("padding", "value"))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require(len(self.pad) == 4 and min(self.pad) >= 0, f"pad must be four numbers >= 0, not {self.pad}")
        top, left, bottom, right = self.pad
        channels, height, width = x.shape
        shape = (channels, height + top + bottom, width + left + right)
        return TensorType(shape, min(x.lo, self.value), max(x.hi, self.value))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return padded(xs[0], self.pad, self.value)

    def attributes(self, net: Context) -> dict[str, Any]:
        top, left, bottom, right = self.pad
        return {"padding": [0, 0, top, left, 0, 0, bottom, right], "value": self.value}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Pad":
        return cls(name, inputs, tuple(attributes["padding"][k] for k in (2, 3, 6, 7)), attributes["value"])


def _slice(b: Body, x: str, out: str) -> str:
    ends = [b.op("Constant", renamed={"value_ints": key}) for key in ("starts", "stops")]
    steps = b.op("Constant", renamed={"value_ints": "steps"})
    return b.op("Slice", x, *ends, b.numbers(2, 3), steps, out=out)


@dataclass(eq=False)
class Slice(_Rearranging):
    """Rows ``start[0] : stop[0] : step[0]`` and columns ``start[1] : stop[1] : step[1]``, as numpy counts
    them, ends within the map."""

    start: tuple[int, int]
    stop: tuple[int, int]
    step: tuple[int, int] = (1, 1)

    OPS: ClassVar[dict[str, Op]] = _ops("Slice", _slice, ("starts", "stops", "steps"))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        check_pair(self.step, "step")
        size = []
        for begin, end, step, extent in zip(self.start, self.stop, self.step, x.shape[1:], strict=True):
            require(0 <= begin < end <= extent, f"a slice {begin}:{end} does not lie within {extent}")
            size.append(-(-(end - begin) // step))
        return TensorType((x.shape[0], *size), x.lo, x.hi)  # type: ignore[arg-type]

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        rows, columns = (slice(*bounds) for bounds in zip(self.start, self.stop, self.step, strict=True))
        return xs[0][:, :, rows, columns]

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"starts": list(self.start), "stops": list(self.stop), "steps": list(self.step)}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Slice":
        return cls(name, inputs, *(tuple(attributes[key]) for key in ("starts", "stops", "steps")))


def _repeat(b: Body, x: str, out: str) -> str:
    """Nearest: the map is widened by axes of length 1, which are tiled and merged again."""
    apart = b.op("Unsqueeze", x, b.numbers(3, 5))
    tiled = b.op("Tile", apart, b.op("Constant", renamed={"value_ints": "tiles"}))
    return b.op("Reshape", tiled, b.op("Constant", renamed={"value_ints": "shape"}), out=out)


def _insert(b: Body, x: str, out: str) -> str:
    """Zeros: the same, but padded instead of tiled."""
    apart = b.op("Unsqueeze", x, b.numbers(3, 5))
    spread = b.op("Pad", apart, b.op("Constant", renamed={"value_ints": "padding"}), b.attribute("value"))
    return b.op("Reshape", spread, b.op("Constant", renamed={"value_ints": "shape"}), out=out)


@dataclass(eq=False)
class Upsample(_Rearranging):
    """Each pixel becomes ``factor`` = (rows, columns) pixels: all of its value ("nearest"), or the first one
    and then ``value`` ("insert": what a transposed convolution slides over).
    """

    factor: tuple[int, int]
    mode: str = "nearest"
    value: int = 0

    OPS: ClassVar[dict[str, Op]] = {
        **_ops("UpsampleNearest", _repeat, ("tiles", "shape")),
        **_ops("UpsampleInsert", _insert, ("padding", "shape", "value")),
    }

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        check_pair(self.factor, "factor")
        require(self.mode in ("nearest", "insert"), f"mode must be nearest or insert, not {self.mode!r}")
        require(self.mode == "insert" or self.value == 0, "a value is inserted in mode insert only")
        channels, height, width = x.shape
        shape = (channels, height * self.factor[0], width * self.factor[1])
        if self.mode == "nearest" or self.factor == (1, 1):
            return TensorType(shape, x.lo, x.hi)
        return TensorType(shape, min(x.lo, self.value), max(x.hi, self.value))

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,), (rows, columns) = xs, self.factor
        if self.mode == "nearest":
            return x.repeat(rows, axis=2).repeat(columns, axis=3)
        n, channels, height, width = x.shape
        y = np.full((n, channels, height * rows, width * columns), self.value, np.int64)
        y[:, :, ::rows, ::columns] = x
        return y

    def op(self, net: Context) -> str:
        return f"Upsample{self.mode.capitalize()}{'Index' if net.is_index(self.name) else ''}"

    def attributes(self, net: Context) -> dict[str, Any]:
        shape = {"shape": [-1, *net.types[self.name].shape]}
        rows, columns = self.factor
        if self.mode == "nearest":
            return {"tiles": [1, 1, 1, rows, 1, columns], **shape}
        after = [0, 0, 0, rows - 1, 0, columns - 1]
        return {"padding": [0, 0, 0, 0, 0, 0, *after], "value": self.value, **shape}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Upsample":
        if "tiles" in attributes:
            return cls(name, inputs, (attributes["tiles"][3], attributes["tiles"][5]))
        after = attributes["padding"][6:]
        return cls(name, inputs, (after[3] + 1, after[5] + 1), "insert", attributes["value"])


def _select(b: Body, x: str, out: str) -> str:
    return b.op("Gather", x, b.int64("order"), out=out, axis=1)


@dataclass(eq=False)
class SelectChannels(_Rearranging):
    """``y[c] = x[order[c]]``: channel shuffle, chunk, split, slice and flip of channels; order: int64 (C',),
    of 0..C-1, repeats allowed."""

    order: np.ndarray

    ARRAYS: ClassVar[dict[str, str]] = {"order": "i8"}
    OPS: ClassVar[dict[str, Op]] = _ops("SelectChannels", _select, (), ("x", "order"))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require(self.order.ndim == 1 and self.order.size > 0, "order must be a list of channels")
        inside = self.order.min() >= 0 and self.order.max() < x.shape[0]
        require(
            inside,
            f"order names channels {self.order.min()}..{self.order.max()}, the input has 0..{x.shape[0] - 1}",
        )
        return TensorType((len(self.order), *x.shape[1:]), x.lo, x.hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        return xs[0][:, self.order.astype(np.int64)]


def _shuffle(b: Body, x: str, out: str) -> str:
    """DepthToSpace has no int64 kernel everywhere; values within 32 bits are exact in double."""
    apart = b.op("Reshape", x, b.op("Constant", renamed={"value_ints": "apart"}))
    return b.op(
        "Reshape",
        b.op("Transpose", apart, perm=[0, 1, 4, 2, 5, 3]),
        b.op("Constant", renamed={"value_ints": "shape"}),
        out=out,
    )


@dataclass(eq=False)
class DepthToSpace(_Rearranging):
    """Pixel shuffle: channel ``c b^2 + i b + j`` becomes pixel (i, j) of each b x b block of channel c
    (torch's order)."""

    block: int

    OPS: ClassVar[dict[str, Op]] = _ops("DepthToSpace", _shuffle, ("apart", "shape"))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        area = self.block**2
        divides = self.block >= 1 and x.shape[0] % max(area, 1) == 0
        require(divides, f"blocks of {self.block}x{self.block} do not divide {x.shape[0]} channels")
        shape = (x.shape[0] // area, x.shape[1] * self.block, x.shape[2] * self.block)
        return TensorType(shape, x.lo, x.hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,), b = xs, self.block
        n, channels, height, width = x.shape
        apart = x.reshape(n, channels // b**2, b, b, height, width).transpose(0, 1, 4, 2, 5, 3)
        return apart.reshape(n, channels // b**2, height * b, width * b)

    def attributes(self, net: Context) -> dict[str, Any]:
        channels, height, width = net.types[self.inputs[0]].shape
        b = self.block
        return {
            "apart": [-1, channels // b**2, b, b, height, width],
            "shape": [-1, *net.types[self.name].shape],
        }

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "DepthToSpace":
        return cls(name, inputs, attributes["apart"][2])
