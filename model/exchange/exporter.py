"""The visitor that turns torch layers into integer nodes of the network file."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.errors import InputError
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    PiecewiseConv,
    SumPool,
    TensorType,
    Threshold,
)
from fermatnet.model.nn.operators.rules import pair

__all__ = ["Exporter", "Value"]

_WORD = (1 << 31) - 1


@dataclass(frozen=True)
class Value:
    """A tensor of the network file. real = n 2^-exponent then ``chain``; ``levels``: it holds piece indices
    of these levels."""

    name: str
    exponent: np.ndarray  # int64 (C,)
    levels: np.ndarray | None = None
    chain: tuple[Callable[[Tensor], Tensor], ...] = ()
    flat: bool = field(default=False)


class Exporter(Builder):
    """Visitor that appends nodes; see :class:`fermatnet.model.nn.walk.Visitor`."""

    def __init__(self, shape: tuple[int, int, int], value_range: tuple[int, int], engine: str):
        super().__init__(shape, value_range)
        self.engine = engine

    def integers(self, name: str, x: Value, shift: int = 0) -> Value:
        """``x`` as plain integers, piece indices read through their table (shifted left by ``shift``)."""
        if x.chain:
            raise InputError(
                f"layer {name!r} takes integers, but a batch norm in full precision comes before it: use a "
                "fixed-point one"
            )
        if x.levels is None:
            return x
        made = self.append(Levels(f"{x.name}_levels", (x.name,), x.levels << shift))
        return replace(x, name=made, levels=None, exponent=x.exponent + shift)

    # ---- layers

    def pixels(self, name: str, module: Any, x: Value) -> Value:
        return replace(x, exponent=x.exponent + module.bits)

    def _common(self, name: str, x: Value) -> int:
        if (x.exponent != x.exponent[0]).any():
            raise InputError(
                f"layer {name!r}: its input channels have different units; put a fixed-point layer before it"
            )
        return int(x.exponent[0])

    def _weights(self, name: str, module: Any) -> tuple[np.ndarray, np.ndarray, int]:
        if not hasattr(module.quantizer, "integers"):
            how = "full precision" if module.quantizer is None else type(module.quantizer).__name__
            raise InputError(
                f"layer {name!r}: its weights are not integers ({how}), the hardware cannot hold them"
            )
        w, k = module.quantizer.integers(module.weight.detach())
        top = int(w.abs().max())
        if top > 32767:
            raise InputError(f"layer {name!r}: weights up to {top} need more than 16 bits")
        return w.numpy(), np.broadcast_to(k.numpy(), (w.shape[0],)), 8 if top <= 127 else 16

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
        if hasattr(module.quantizer, "pieces") and x.levels is not None:
            return replace(self._product(name, module, x, {}, shape), flat=True)
        x = self.integers(name, x)
        kx, (w, kw, bits) = self._common(name, x), self._weights(name, module)
        if (kw != kw[0]).any():
            raise InputError(f"layer {name!r}: a dense layer needs one weight step for all outputs")
        bias = np.zeros(0, np.int64)
        if module.bias is not None:
            unit = 2.0 ** module.bias_exponent()
            shift = kx + int(kw[0]) - module.bias_exponent()
            if shift < 0:
                raise InputError(f"layer {name!r}: its inputs' unit 2^{-kx} is too coarse for the bias")
            bias = np.floor(module.bias.detach().double().numpy() * unit + 0.5).astype(np.int64) << shift
        made = self.append(Dense(_short(name), (x.name,), w, bias, bits))
        return Value(made, kx + kw, flat=True)

    def _product(
        self, name: str, module: Any, x: Value, window: dict[str, Any], shape: tuple[int, int, int] | None
    ) -> Value:
        if x.chain:
            self.integers(name, x)
        w, kw, bits = self._weights(name, module)
        if hasattr(module.quantizer, "pieces") and x.levels is not None:
            codes, levels, _ = module.quantizer.pieces(module.weight.detach())
            codes = codes.reshape(-1, *shape) if shape else codes
            made = self.append(
                PiecewiseConv(_short(name), (x.name,), codes.numpy(), levels.numpy(), x.levels, **window)
            )
        else:
            x = self.integers(name, x)
            made = self.append(Conv(_short(name), (x.name,), w, bits, engine=self.engine, **window))
        out = Value(made, self._common(name, x) + kw)
        if module.bias is None:
            return out
        bias = module.bias.detach().double()
        if shape:  # a dense layer rounds its bias
            unit = 2.0 ** module.bias_exponent()
            bias = torch.floor(bias * unit + 0.5) / unit
        return replace(out, chain=(lambda y: y + bias.view(1, -1, 1),))

    def norm(self, name: str, module: Any, x: Value) -> Value:
        x = x if x.levels is None else self.integers(name, x)
        return replace(x, chain=(*x.chain, module.exact))

    def relu(self, name: str, module: Any, x: Value) -> Value:
        if x.chain:
            return replace(x, chain=(*x.chain, lambda y: y.clamp(min=0)))
        x = self.integers(name, x)
        ones = np.ones(self.channels(x.name), np.int64)
        return replace(x, name=self.append(Affine(_short(name), (x.name,), ones, 0 * ones, 0, 0, _WORD)))

    def pieces(self, name: str, module: Any, x: Value) -> Value:
        x = x if x.levels is None else self.integers(name, x)
        kind = self.types[x.name]
        thresholds, sign = self.thresholds(module, x, kind)
        made = self.append(Threshold(_short(name), (x.name,), thresholds, sign))
        levels, exponent = module.levels()
        return Value(made, np.full(kind.shape[0], int(exponent)), levels.long().numpy(), flat=x.flat)

    def thresholds(self, module: Any, x: Value, kind: TensorType) -> tuple[np.ndarray, np.ndarray]:
        """Smallest signed accumulators at which the model reaches each piece: bisection of its own float64
        function."""
        unit = torch.from_numpy(np.exp2(-x.exponent.astype(np.float64)))[:, None]

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
        x = self.integers(name, x)
        channels = self.channels(x.name)
        if hasattr(module, "constants"):
            multiplier, offset, e = module.constants()
            f = module.fraction
        else:
            multiplier, offset, e, f = (
                torch.ones(1, dtype=torch.int64),
                torch.full((1,), 8),
                0,
                module.exponent(),
            )
        shift = e + x.exponent - f
        up = max(4, int(shift.max()))
        # in python integers: channels whose scales lie far apart may pass 64 bits before they are refused
        wide = np.broadcast_to(multiplier.numpy(), (channels,)).astype(object) << (up - shift)
        # common factors of two leave: an arithmetic shift of a sum with zeros below loses nothing
        o = np.broadcast_to(offset.numpy(), (channels,)).astype(object) << (up - 4)
        while up > 0 and not (wide & 1).any() and not (o & 1).any():
            wide, o, up = wide >> 1, o >> 1, up - 1
        if up > 62 or (np.abs(wide) >= 1 << 31).any() or (np.abs(o) >= 1 << 62).any():
            raise InputError(
                f"layer {name!r}: its multipliers do not fit 31 bits with a shift of at most 62 (channel "
                "scales too far apart)"
            )
        wide, o = wide.astype(np.int64), o.astype(np.int64)
        made = self.append(Affine(_short(name), (x.name,), wide, o, up, module.lo, module.top))
        return replace(x, name=made, exponent=np.full(channels, f))

    def maxpool(self, name: str, module: Any, x: Value) -> Value:
        if x.chain:
            self.integers(name, x)
        if module.ceil_mode or pair(module.dilation) != (1, 1):
            raise InputError(f"layer {name!r}: max-pooling with ceil_mode or dilation is not in the hardware")
        vertical, horizontal = pair(module.padding)
        pad = (vertical, horizontal, vertical, horizontal)
        return replace(
            x,
            name=self.append(
                MaxPool(_short(name), (x.name,), pair(module.kernel_size), pair(module.stride), pad)
            ),
        )

    def sumpool(self, name: str, kernel: tuple[int, int], average: bool, x: Value) -> Value:
        x = self.integers(name, x)
        size = self.types[x.name].shape[1:] if kernel == (0, 0) else kernel
        area = size[0] * size[1]
        if average and area & (area - 1):
            raise InputError(
                f"layer {name!r}: an average over {area} values is not exact; sum, and rescale in fixed point"
            )
        made = self.append(SumPool(_short(name), (x.name,), kernel))
        return replace(x, name=made, exponent=x.exponent + (area.bit_length() - 1 if average else 0))

    def _aligned(self, name: str, x: Value, exponent: np.ndarray) -> Value:
        shift = exponent - x.exponent
        if x.levels is not None and (shift == shift[0]).all():
            return self.integers(name, x, int(shift[0]))
        x = self.integers(name, x)
        if not shift.any():
            return x
        if shift.max() > 16:
            raise InputError(f"layer {name!r}: its inputs' units differ by 2^{int(shift.max())}")
        made = self.append(
            Affine(f"{x.name}_align", (x.name,), np.int64(1) << shift, np.zeros_like(shift), 0, -_WORD, _WORD)
        )
        return replace(x, name=made, exponent=exponent)

    def add(self, name: str, a: Value, b: Value) -> Value:
        exponent = np.maximum(a.exponent, b.exponent)
        a, b = self._aligned(name, a, exponent), self._aligned(name, b, exponent)
        return Value(self.append(Add(_short(name), (a.name, b.name))), exponent)

    def concat(self, name: str, xs: list[Value]) -> Value:
        first = xs[0]
        same = all(
            x.levels is not None
            and first.levels is not None
            and np.array_equal(x.levels, first.levels)
            and x.exponent[0] == first.exponent[0]
            for x in xs
        )
        parts = xs if same else [self.integers(name, x) for x in xs]
        made = self.append(Concat(_short(name), tuple(x.name for x in parts)))
        return Value(made, np.concatenate([x.exponent for x in parts]), first.levels if same else None)

    def flatten(self, name: str, x: Value) -> Value:
        return replace(x, flat=True)


def _short(name: str) -> str:
    """A node's name from a module's: dots become underscores, the place in a Sequential is dropped."""
    parts = name.split(".")
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return "_".join(parts)
