"""Pooling over windows: maximum, and sum."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from onnx import TensorProto

from fermatnet.model.network.file.body import Body
from fermatnet.model.network.layers.windows import padded, windows
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.types import TensorType
from fermatnet.model.network.validate import bounded, check_pair, conv_shape, require

__all__ = ["MaxPool", "SumPool"]

_POOL = ("kernel_shape", "strides", "pads")


def _maximum_of_indices(b: Body) -> None:
    b.op("MaxPool", "x", out="y", refs=_POOL)


def _maximum(b: Body) -> None:
    # MaxPool has no int64 kernel; values within 32 bits are exact in double
    wide = b.op("Cast", b.int64("x"), to=TensorProto.DOUBLE)
    b.int64(b.op("MaxPool", wide, refs=_POOL), out="y")


@dataclass(eq=False)
class MaxPool(Node):
    """Maximum over kernel x kernel windows, of indices or integers. Padding never wins (it is left out of the
    maximum)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)

    INDICES: ClassVar[bool | None] = None
    OPS: ClassVar[dict[str, Op]] = {
        "MaxPoolIndex": Op(_maximum_of_indices, ("x",), _POOL),
        "MaxPool": Op(_maximum, ("x",), _POOL),
    }

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        rows, columns = conv_shape(*x.shape[1:], self.kernel, self.stride, self.pad)
        inside = (
            max(self.pad[0], self.pad[2]) < self.kernel[0] and max(self.pad[1], self.pad[3]) < self.kernel[1]
        )
        require(inside, f"pad {self.pad} must be smaller than the kernel {self.kernel}")
        return TensorType((x.shape[0], rows, columns), x.lo, x.hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        lowest = np.iinfo(np.int64).min
        return windows(padded(xs[0], self.pad, lowest), self.kernel, self.stride).max(axis=(4, 5))

    def writes_indices(self, index: list[bool]) -> bool:
        return index[0]

    def op(self, net: Context) -> str:
        return "MaxPoolIndex" if net.is_index(self.name) else "MaxPool"

    def attributes(self, net: Context) -> dict[str, Any]:
        return {"kernel_shape": list(self.kernel), "strides": list(self.stride), "pads": list(self.pad)}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, Any],  # numpy arrays
    ) -> "MaxPool":
        kernel, stride, pad = (tuple(attributes[key]) for key in _POOL)
        return cls(name, inputs, kernel, stride, pad, **arrays)


def _sum(b: Body) -> None:
    blocks = b.op("Constant", renamed={"value_ints": "blocks"})
    b.op("ReduceSum", b.op("Reshape", b.int64("x"), blocks), b.numbers(3, 5), out="y", keepdims=0)


def _band(b: Body, axis: int) -> str:
    """0/1 matrix (windows, extent) of which places of an axis each window covers, from the attributes and the
    padded map's shape."""
    extent = b.op("Gather", b.op("Shape", b.names["x"]), b.number(axis), axis=0)
    pick = [
        b.op("Gather", b.op("Constant", renamed={"value_ints": key}), b.number(axis - 2), axis=0)
        for key in ("kernel", "strides")
    ]
    count = b.op("Add", b.op("Div", b.op("Sub", extent, pick[0]), pick[1]), b.number(1))
    starts = b.op("Mul", b.op("Range", b.number(0), count, b.number(1)), pick[1])
    distance = b.op(
        "Sub", b.op("Range", b.number(0), extent, b.number(1)), b.op("Unsqueeze", starts, b.numbers(1))
    )
    inside = b.op("And", b.op("GreaterOrEqual", distance, b.number(0)), b.op("Less", distance, pick[0]))
    return b.int64(inside)


def _window_sum(b: Body) -> None:
    around = b.op("Constant", renamed={"value_ints": "padding"})
    b.names["x"] = b.op("Pad", b.int64("x"), around, b.attribute("value"))
    rows, columns = _band(b, 2), _band(b, 3)
    b.op("MatMul", rows, b.op("MatMul", "x", b.op("Transpose", columns, perm=[1, 0])), out="y")


@dataclass(eq=False)
class SumPool(Node):
    """Sum over windows; kernel (0, 0) is the whole map, stride None the kernel.

    ``pad`` = (top, left, bottom, right) pixels of ``pad_value`` around the map (its zero point): what an
    average that counts its padding sums. Unpadded disjoint windows must divide the map.
    """

    kernel: tuple[int, int] = (0, 0)
    stride: tuple[int, int] | None = None
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0

    OPS: ClassVar[dict[str, Op]] = {
        "SumPool": Op(_sum, ("x",), ("blocks",)),
        "SumPoolWindow": Op(_window_sum, ("x",), ("kernel", "strides", "padding", "value")),
    }

    def window(self, x: TensorType) -> tuple[int, int]:
        """The window it really has over ``x``: (0, 0) stands for the whole map."""
        return tuple(self.kernel) if tuple(self.kernel) != (0, 0) else x.shape[1:]  # type: ignore[return-value]

    @property
    def disjoint(self) -> bool:
        """Whether the windows neither overlap nor leave gaps, without padding: the form that needs no line
        buffer."""
        return not any(self.pad) and self.stride in (None, tuple(self.kernel))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        kernel = self.window(x)
        check_pair(kernel, "kernel")
        channels, height, width = x.shape
        area = kernel[0] * kernel[1]
        if self.disjoint:
            divides = height % kernel[0] == 0 and width % kernel[1] == 0
            require(divides, f"a {kernel[0]}x{kernel[1]} window does not divide {height}x{width}")
            return bounded((channels, height // kernel[0], width // kernel[1]), x.lo * area, x.hi * area)
        require(self.stride is not None, "windows with padding need a stride")
        size = conv_shape(height, width, kernel, self.stride, self.pad)  # type: ignore[arg-type]
        low, high = (min(x.lo, self.pad_value), max(x.hi, self.pad_value)) if any(self.pad) else (x.lo, x.hi)
        return bounded((channels, *size), low * area, high * area)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,) = xs
        kernel = self.window(TensorType(x.shape[1:], 0, 0))  # type: ignore[arg-type]
        return windows(padded(x, self.pad, self.pad_value), kernel, self.stride or kernel).sum(axis=(4, 5))

    def op(self, net: Context) -> str:
        return "SumPool" if self.disjoint else "SumPoolWindow"

    def attributes(self, net: Context) -> dict[str, Any]:
        x = net.types[self.inputs[0]]
        kh, kw = self.window(x)
        if self.disjoint:
            return {"blocks": [-1, x.shape[0], x.shape[1] // kh, kh, x.shape[2] // kw, kw]}
        top, left, bottom, right = self.pad
        around = {"padding": [0, 0, top, left, 0, 0, bottom, right], "value": self.pad_value}
        return {"kernel": [kh, kw], "strides": list(self.stride or (kh, kw)), **around}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, Any],  # numpy arrays
    ) -> "SumPool":
        if op == "SumPool":
            return cls(name, inputs, (attributes["blocks"][3], attributes["blocks"][5]), **arrays)
        pad = tuple(attributes["padding"][k] for k in (2, 3, 6, 7))
        return cls(
            name, inputs, tuple(attributes["kernel"]), tuple(attributes["strides"]), pad, attributes["value"]
        )
