"""Integer convolution, on a direct engine or by the Fermat number transform."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fermatnet.model.network.engine import conv_choice, conv_plan
from fermatnet.model.network.file.body import WINDOW, Body
from fermatnet.model.network.layers.windows import padded, read_window, window_attributes, windows
from fermatnet.model.network.node import Context, Node, Op, Weights
from fermatnet.model.network.types import TensorType, width_of
from fermatnet.model.network.validate import bounded, check_weight, require, weighted_range, window_type

__all__ = ["Conv"]

_PADDING = ("padding", "pad_value")


def _body8(b: Body) -> None:
    b.op("Identity", b.convolve(b.int64("x"), b.attribute("x_zero"), b.int64("weight")), out="y")


def _body16(b: Body) -> None:
    (xh, xl), (wh, wl) = b.limbs(b.int64("x")), b.limbs(b.int64("weight"))
    half, none = b.number(128), b.number(0)
    centred = b.op("Sub", wl, half)  # low weight limbs are unsigned: w = 256 wh + (wl - 128) + 128
    ones = b.op("Add", b.op("Mul", wl, none), b.number(1))
    high = b.convolve(xh, half, wh)
    mixed = b.convolve(xl, none, wh)
    middle = b.convolve(xh, half, centred)
    cross = b.op("Add", mixed, b.op("Add", middle, b.op("Mul", half, b.convolve(xh, half, ones))))
    low = b.op("Add", b.convolve(xl, none, centred), b.op("Mul", half, b.convolve(xl, none, ones)))
    shifted = b.op("Add", b.op("Mul", high, b.number(65536)), b.op("Mul", cross, b.number(256)))
    b.op("Add", shifted, low, out="y")


def _padded(body: Callable[[Body], None]) -> Callable[[Body], None]:
    """The same body over a map that is padded with the attribute ``pad_value`` first; ``pads`` are zeros
    then."""

    def write(b: Body) -> None:
        around = b.op("Constant", renamed={"value_ints": "padding"})
        value = b.attribute("pad_value")
        b.names["x"] = b.op("Pad", b.int64("x"), around, value)
        body(b)

    return write


@dataclass(eq=False)
class Conv(Node):
    """Integer convolution (cross-correlation), accumulators out: ``y[o] = sum w[o, c, ky, kx] x[c, ...]``.

    weight: int64 (O, I/group, kh, kw), |w| < 2^(weight_bits-1); weight_bits 8 or 16; ``pad`` = (top, left,
    bottom, right) pixels around the map hold ``pad_value`` (the zero point of an asymmetric input).
    ``engine``:
    "auto", "fermat" or "direct"; ``moduli``: widths b of the Fermat numbers 2^b+1 forced for the residue
    system, () = chosen;
    ``length``: transform length, 0 = chosen.
    """

    weight: np.ndarray
    weight_bits: int = 8
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    engine: str = "auto"
    moduli: tuple[int, ...] = ()
    length: int = 0
    pad_value: int = 0

    ARRAYS: ClassVar[dict[str, str]] = {"weight": "w"}
    OPS: ClassVar[dict[str, Op]] = {
        "ConvInt8": Op(_body8, ("x", "weight"), (*WINDOW, "x_zero", "engine", "moduli", "length")),
        "ConvInt16": Op(_body16, ("x", "weight"), (*WINDOW, "engine", "moduli", "length")),
        "ConvPadInt8": Op(_padded(_body8), ("x", "weight"), (*WINDOW, "x_zero", *_PADDING)),
        "ConvPadInt16": Op(_padded(_body16), ("x", "weight"), (*WINDOW, *_PADDING)),
    }

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require(self.weight_bits in (8, 16), f"weight_bits must be 8 or 16, not {self.weight_bits}")
        check_weight(self.weight, 4, self.weight_bits)
        engines = ("auto", "fermat", "direct")
        require(self.engine in engines, f"engine must be auto, fermat or direct, not {self.engine!r}")
        fits8 = (x.lo >= 0 and x.hi <= 255) or (x.lo >= -128 and x.hi <= 127)
        fits16 = x.lo >= -(1 << 15) and x.hi < 1 << 15
        require(
            fits8 or (self.weight_bits == 16 and fits16),
            f"its input {x.lo}..{x.hi} does not fit {self.weight_bits} bits; requantise before it",
        )
        lo, hi = weighted_range(self.weight, x.lo, x.hi, pad_value=self.pad_value)
        if self.pad_value:
            inside = x.lo <= self.pad_value <= x.hi
            require(
                any(self.pad) and inside,
                f"a padding value of {self.pad_value} needs padding, and an input that can hold it",
            )
            require(
                self.engine != "fermat",
                "the Fermat engine pads with zeros; fold the zero point into the input before it",
            )
        shape = window_type(self, x, self.weight)
        return TensorType(shape, lo, hi) if self.weight_bits == 16 else bounded(shape, lo, hi)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        (x,) = xs
        plan = conv_plan(net, self)
        if plan is None:
            return self._direct(x)
        from fermatnet.model.fermat.convolution import convolve2d  # only where a transform engine runs

        window: dict[str, Any] = {
            "stride": self.stride,
            "pad": self.pad,
            "dilation": self.dilation,
            "group": self.group,
        }
        return convolve2d(x, self.weight.astype(np.int64), plan, **window)

    def _direct(self, x: np.ndarray) -> np.ndarray:
        view = windows(padded(x, self.pad, self.pad_value), self.weight.shape[2:], self.stride, self.dilation)
        groups = []
        for xs, ws in zip(np.split(view, self.group, axis=1), np.split(self.weight, self.group), strict=True):
            sums = np.tensordot(xs, ws.astype(np.int64), axes=((1, 4, 5), (1, 2, 3)))
            groups.append(sums.transpose(0, 3, 1, 2))
        return np.concatenate(groups, axis=1)

    def op(self, net: Context) -> str:
        return f"Conv{'Pad' if self.pad_value else ''}Int{self.weight_bits}"

    def attributes(self, net: Context) -> dict[str, Any]:
        zero = {"x_zero": 128 if net.types[self.inputs[0]].signed else 0} if self.weight_bits == 8 else {}
        if self.pad_value:
            top, left, bottom, right = self.pad
            around = {"padding": [0, 0, top, left, 0, 0, bottom, right], "pad_value": self.pad_value}
            return {**window_attributes(self), "pads": [0, 0, 0, 0], **zero, **around}
        chosen = {"engine": self.engine, "moduli": [0, *self.moduli], "length": self.length}
        return {**window_attributes(self), **zero, **chosen}

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, Any],  # numpy arrays
    ) -> "Conv":
        bits, window = int(op.partition("Int")[2]), read_window(attributes)
        if op.startswith("ConvPad"):
            window["pad"] = tuple(attributes["padding"][k] for k in (2, 3, 6, 7))
            return cls(name, inputs, **arrays, weight_bits=bits, pad_value=attributes["pad_value"], **window)
        chosen = {"moduli": tuple(attributes["moduli"][1:]), "length": attributes["length"]}
        return cls(
            name, inputs, **arrays, weight_bits=bits, engine=attributes["engine"].decode(), **chosen, **window
        )

    def weights(self) -> Weights:
        return Weights(self.weight.size, self.weight.size * self.weight_bits, width=width_of(self.weight))

    def describe_engine(self, net: Context, cycles: int | None = None) -> tuple[str, str]:
        choice = conv_choice(net, self, cycles)
        if choice.plan is None:
            return f"int{self.weight_bits}", choice.reasons
        return "fermat " + "*".join(f"F(2^{b}+1)" for b in choice.plan.widths), choice.reasons
