"""Pooling over windows: maximum, and sum."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from onnx import TensorProto

from fermatnet.model.network.layers.windows import padded, windows
from fermatnet.model.network.node import Context, Node, Op
from fermatnet.model.network.onnx_body import Body
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
    """Maximum over kernel x kernel windows, of indices or integers. Padding never wins (it is left out of the maximum)."""

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
        inside = max(self.pad[0], self.pad[2]) < self.kernel[0] and max(self.pad[1], self.pad[3]) < self.kernel[1]
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
        cls, name: str, inputs: tuple[str, ...], op: str, attributes: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> "MaxPool":
        kernel, stride, pad = (tuple(attributes[key]) for key in _POOL)
        return cls(name, inputs, kernel, stride, pad, **arrays)


def _sum(b: Body) -> None:
    blocks = b.op("Constant", renamed={"value_ints": "blocks"})
    b.op("ReduceSum", b.op("Reshape", b.int64("x"), blocks), b.numbers(3, 5), out="y", keepdims=0)


@dataclass(eq=False)
class SumPool(Node):
    """Sum over disjoint windows (stride = kernel, which divides the map); kernel (0, 0) is the whole map."""

    kernel: tuple[int, int] = (0, 0)

    OPS: ClassVar[dict[str, Op]] = {"SumPool": Op(_sum, ("x",), ("blocks",))}

    def window(self, x: TensorType) -> tuple[int, int]:
        """The window it really has over ``x``: (0, 0) stands for the whole map."""
        return tuple(self.kernel) if tuple(self.kernel) != (0, 0) else x.shape[1:]  # type: ignore[return-value]

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        kernel = self.window(x)
        check_pair(kernel, "kernel")
        channels, height, width = x.shape
        divides = height % kernel[0] == 0 and width % kernel[1] == 0
        require(divides, f"a {kernel[0]}x{kernel[1]} window does not divide {height}x{width}")
        area = kernel[0] * kernel[1]
        return bounded((channels, height // kernel[0], width // kernel[1]), x.lo * area, x.hi * area)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,) = xs
        kernel = self.window(TensorType(x.shape[1:], 0, 0))  # type: ignore[arg-type]
        return windows(x, kernel, kernel).sum(axis=(4, 5))

    def attributes(self, net: Context) -> dict[str, Any]:
        x = net.types[self.inputs[0]]
        kh, kw = self.window(x)
        return {"blocks": [-1, x.shape[0], x.shape[1] // kh, kh, x.shape[2] // kw, kw]}

    @classmethod
    def read(
        cls, name: str, inputs: tuple[str, ...], op: str, attributes: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> "SumPool":
        return cls(name, inputs, (attributes["blocks"][3], attributes["blocks"][5]), **arrays)
