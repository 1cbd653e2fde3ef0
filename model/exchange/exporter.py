"""The visitor that turns torch layers into integer nodes of the network file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.borders import beyond
from fermatnet.model.exchange.codes import as_affine
from fermatnet.model.exchange.values import WORD, Value, Values, short
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.nodes import (
    Affine,
    Conv,
    Dense,
    Lookup,
    MaxPool,
    PiecewiseConv,
    Slice,
    SumPool,
    TensorType,
    Threshold,
)
from fermatnet.model.nn.coded import CodedActivation
from fermatnet.model.nn.operators.rules import pair
from fermatnet.model.nn.walk import Window

__all__ = ["Exporter", "Value"]


class Exporter(Values):
    """Visitor that appends nodes; see :class:`fermatnet.model.nn.walk.Visitor`."""

    def __init__(self, inputs: Sequence[Input], engine: str):
        super().__init__(inputs[0].shape, (inputs[0].lo, inputs[0].hi))
        self.types = {one.name: one.type for one in inputs}
        self.engine = engine

    # ---- layers

    def pixels(self, name: str, module: Any, x: Value) -> Value:
        return replace(x, exponent=x.exponent + module.bits)

    def _weights(self, name: str, module: Any) -> tuple[np.ndarray, np.ndarray, int, np.ndarray | None]:
        """(integers, exponents of the outputs, 8 or 16 bits, factors of the outputs or None)."""
        if not hasattr(module.quantizer, "integers"):
            how = "full precision" if module.quantizer is None else type(module.quantizer).__name__
            raise InputError(
                f"layer {name!r}: its weights are not integers ({how}), the hardware cannot hold them"
            )
        factor = None
        if hasattr(module.quantizer, "parts"):
            w, factor, k = module.quantizer.parts(module.weight.detach())
            factor = np.broadcast_to(factor.numpy(), (w.shape[0],))
        else:
            w, k = module.quantizer.integers(module.weight.detach())
        top = int(w.abs().max())
        if top > 32767:
            raise InputError(f"layer {name!r}: weights up to {top} need more than 16 bits: use int8 or int16")
        return w.numpy(), np.broadcast_to(k.numpy(), (w.shape[0],)), 8 if top <= 127 else 16, factor

    def _narrow(self, name: str) -> bool:
        """Whether a tensor's values are 8-bit integers, signed or not."""
        kind = self.types[name]
        return (kind.lo >= 0 and kind.hi <= 255) or (kind.lo >= -128 and kind.hi <= 127)

    def conv(self, name: str, module: Any, x: Value) -> Value:
        vertical, horizontal = module.padding
        window = {
            "stride": tuple(module.stride),
            "pad": (vertical, horizontal, vertical, horizontal),
            "dilation": tuple(module.dilation),
            "group": module.groups,
        }
        return self._product(name, module, x, window, None)

    def linear(self, name: str, module: Any, x: Value) -> Value:
        shape = self.types[x.name].shape
        # a dense layer is a convolution with the kernel of the whole map
        if hasattr(module.quantizer, "parts") or (
            hasattr(module.quantizer, "pieces") and x.levels is not None
        ):
            return replace(self._product(name, module, x, {}, shape), flat=True)
        x = self.integers(name, x)
        kx, (w, kw, bits, _) = self.common(name, x), self._weights(name, module)
        if (kw != kw[0]).any():
            raise InputError(f"layer {name!r}: a dense layer needs one weight step for all outputs")
        bias = np.zeros(0, np.int64)
        if module.bias is not None:
            unit = 2.0 ** module.bias_exponent()
            shift = kx + int(kw[0]) - module.bias_exponent()
            if shift < 0:
                raise InputError(
                    f"layer {name!r}: its inputs' unit 2^{-kx} is too coarse for the bias: put a batch norm "
                    "before it, or quantize with calibration images"
                )
            bias = np.floor(module.bias.detach().double().numpy() * unit + 0.5).astype(np.int64) << shift
        made = self.append(Dense(short(name), (x.name,), w, bias, bits))
        return Value(made, kx + kw, flat=True)

    def _product(
        self, name: str, module: Any, x: Value, window: dict[str, Any], shape: tuple[int, int, int] | None
    ) -> Value:
        if x.chain:
            self.integers(name, x)
        w, kw, bits, factor = self._weights(name, module)
        if hasattr(module.quantizer, "pieces") and x.levels is not None:
            codes, levels, _ = module.quantizer.pieces(module.weight.detach())
            codes = codes.reshape(-1, *shape) if shape else codes
            made = self.append(
                PiecewiseConv(short(name), (x.name,), codes.numpy(), levels.numpy(), x.levels, **window)
            )
        else:
            x, w = self.codes(name, x), w.reshape(-1, *shape) if shape else w
            if not self._narrow(x.name):
                bits = 16
            made = self.append(Conv(short(name), (x.name,), w, bits, engine=self.engine, **window))
        if x.factor is not None:
            factor = x.factor[0] * (np.ones_like(kw) if factor is None else factor)
        out = Value(made, self.common(name, x) + kw, factor=factor)
        if module.bias is None:
            return out
        bias = module.bias.detach().double()
        if shape:  # a dense layer rounds its bias
            unit = 2.0 ** module.bias_exponent()
            bias = torch.floor(bias * unit + 0.5) / unit
        return replace(out, chain=(lambda y: y + bias.view(1, -1, 1),))

    def norm(self, name: str, module: Any, x: Value) -> Value:
        x = self.vector(name, x if x.levels is None else self.integers(name, x))
        return replace(x, chain=(*x.chain, module.exact))

    def relu(self, name: str, module: Any, x: Value) -> Value:
        if x.chain:
            return replace(x, chain=(*x.chain, lambda y: y.clamp(min=0)))
        x = self.integers(name, x)
        ones = np.ones(self.channels(x.name), np.int64)
        return replace(x, name=self.append(Affine(short(name), (x.name,), ones, 0 * ones, 0, 0, WORD)))

    def pieces(self, name: str, module: Any, x: Value) -> Value:
        x = x if x.levels is None else self.integers(name, x)
        kind = self.types[x.name]
        thresholds, sign = self.thresholds(module, x, kind)
        if isinstance(module, CodedActivation):
            factor, exponent = (np.full(kind.shape[0], part) for part in module.unit())
            affine = as_affine(short(name), x.name, thresholds, sign, (kind.lo, kind.hi))
            if affine is not None:
                return Value(self.append(affine), exponent, flat=x.flat, factor=factor)
            levels = np.arange(module.n + 1)
            made = self.append(Threshold(short(name), (x.name,), thresholds, sign))
            return Value(made, exponent, levels, flat=x.flat, factor=factor)
        made = self.append(Threshold(short(name), (x.name,), thresholds, sign))
        levels, exponent = module.levels()
        return Value(made, np.full(kind.shape[0], int(exponent)), levels.long().numpy(), flat=x.flat)

    def thresholds(self, module: Any, x: Value, kind: TensorType) -> tuple[np.ndarray, np.ndarray]:
        """Smallest signed accumulators at which the model reaches each piece: bisection of its own float64
        function."""
        unit = torch.from_numpy(x.unit)[:, None]

        def index(n: np.ndarray) -> np.ndarray:
            y = (torch.from_numpy(n).double() * unit)[None]
            for step in x.chain:
                y = step(y)
            return module.index(y)[0].numpy()

        channels, pieces = kind.shape[0], module.n
        ends = index(np.tile(np.array([[kind.lo, kind.hi]], np.int64), (channels, 1)))
        sign = np.where(ends[:, 0] > ends[:, 1], -1, 1).astype(np.int8)
        flip = sign.astype(np.int64)[:, None]
        low = np.tile(np.where(flip > 0, kind.lo, -kind.hi), (1, pieces))
        # one past the end: never reached
        high = np.tile(np.where(flip > 0, kind.hi, -kind.lo) + 1, (1, pieces))
        wanted = np.arange(1, pieces + 1)[None]
        while (low < high).any():
            middle = (low + high) >> 1
            reached = index(flip * middle) >= wanted
            high = np.where((low < high) & reached, middle, high)
            low = np.where((low < high) & ~reached, middle + 1, low)
        return low, sign

    def fixed(self, name: str, module: Any, x: Value) -> Value:
        x = x if x.levels is None and not x.chain else self.integers(name, x)
        if hasattr(module, "constants"):
            multiplier, offset, e = module.constants()
            x = self.vector(name, x) if len(offset) > 1 else x
            f = module.fraction
        else:
            multiplier, offset, e, f = (
                torch.ones(1, dtype=torch.int64),
                torch.full((1,), 8),
                0,
                module.exponent(),
            )
        channels, shift = self.channels(x.name), e + x.exponent - f
        up = max(4, int(shift.max()))
        # in python integers: channels whose scales lie far apart may pass 64 bits before they are refused
        wide = np.broadcast_to(multiplier.numpy(), (channels,)).astype(object) << (up - shift)
        wide = wide if x.factor is None else wide * x.factor
        # common factors of two leave: an arithmetic shift of a sum with zeros below loses nothing
        o = np.broadcast_to(offset.numpy(), (channels,)).astype(object) << (up - 4)
        while up > 0 and not (wide & 1).any() and not (o & 1).any():
            wide, o, up = wide >> 1, o >> 1, up - 1
        if up > 62 or (np.abs(wide) >= 1 << 31).any() or (np.abs(o) >= 1 << 62).any():
            raise InputError(
                f"layer {name!r}: its multipliers do not fit 31 bits with a shift of at most 62, its "
                "channels' scales lie too far apart: put a batch norm before it, or use the scheme int8"
            )
        wide, o = wide.astype(np.int64), o.astype(np.int64)
        made = self.append(Affine(short(name), (x.name,), wide, o, up, module.lo, module.top))
        return replace(x, name=made, exponent=np.full(channels, f), factor=None)

    def maxpool(self, name: str, module: Any, x: Value) -> Value:
        if x.chain:
            self.integers(name, x)
        if pair(module.dilation) != (1, 1):
            raise InputError(f"layer {name!r}: max-pooling with dilation is not in the hardware")
        kernel, stride, padding = map(pair, (module.kernel_size, module.stride, module.padding))
        size = self.types[x.name].shape[1:]
        more = [
            beyond(side, *window) if module.ceil_mode else 0
            for side, *window in zip(size, kernel, stride, padding, strict=True)
        ]
        pad = (*padding, padding[0] + more[0], padding[1] + more[1])
        return replace(x, name=self.append(MaxPool(short(name), (x.name,), kernel, stride, pad)))

    def sumpool(self, name: str, window: Window, average: bool, x: Value) -> Value:
        x = self.codes(name, x)
        size = self.types[x.name].shape[1:] if window.kernel == (0, 0) else window.kernel
        area = size[0] * size[1]
        if average and area & (area - 1):
            raise InputError(
                f"layer {name!r}: an average over {area} values is not exact; sum, and rescale in fixed point"
            )
        pad, (height, width) = (*window.padding, *window.padding), self.types[x.name].shape[1:]
        rest = (height % size[0], width % size[1])
        if window.stride in (None, size) and not any(pad) and any(rest):  # disjoint windows fill the map
            cut = Slice(f"{short(name)}_filled", (x.name,), (0, 0), (height - rest[0], width - rest[1]))
            x = replace(x, name=self.append(cut))
        made = self.append(SumPool(short(name), (x.name,), window.kernel, window.stride, pad))
        return replace(x, name=made, exponent=x.exponent + (area.bit_length() - 1 if average else 0))

    def curve(self, name: str, module: Any, x: Value) -> Value:
        x = self.integers(name, x)
        if self.common(name, x) != module.unit():
            raise InputError(f"layer {name!r}: its input is not the tensor that its table was made for")
        table, first = module.table()
        made = self.append(Lookup(short(name), (x.name,), table.numpy(), first))
        return replace(x, name=made, exponent=np.full(len(x.exponent), module.after.exponent()))
