"""torch -> network file: layers become integer nodes, norms and scales become thresholds and multipliers.

Batch norm, weight scale and the next activation's end-points fold into integer thresholds *by bisection of
the float64 function that evaluation computes*: the threshold of piece j is the smallest accumulator at which
the model itself says j.
So the integer forward pass and the model's agree index for index, rounding included. A negative gamma flips
the sign; gamma = 0 gives a constant index.
"""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
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
from fermatnet.model.nn.door.compare import compare_network
from fermatnet.model.nn.door.images import check_images, check_range, check_shape, probes
from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.door.steps import without_step
from fermatnet.model.nn.door.wrappers import unwrapped
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.walk import walk

__all__ = ["export", "versions"]

_WORD = (1 << 31) - 1


@dataclass(frozen=True)
class _Value:
    """A tensor of the network file. real = n 2^-exponent then ``chain``; ``levels``: it holds piece indices
    of these levels."""

    name: str
    exponent: np.ndarray  # int64 (C,)
    levels: np.ndarray | None = None
    chain: tuple[Callable[[Tensor], Tensor], ...] = ()
    flat: bool = field(default=False)


def versions() -> dict[str, str]:
    """What made the file: for its metadata and for reports."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


class _Exporter(Builder):
    """Visitor that appends nodes; see :class:`fermatnet.model.nn.walk.Visitor`."""

    def __init__(self, shape: tuple[int, int, int], value_range: tuple[int, int], engine: str):
        super().__init__(shape, value_range)
        self.engine = engine

    def integers(self, name: str, x: _Value, shift: int = 0) -> _Value:
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

    def pixels(self, name: str, module: Any, x: _Value) -> _Value:
        return replace(x, exponent=x.exponent + module.bits)

    def _common(self, name: str, x: _Value) -> int:
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

    def conv(self, name: str, module: Any, x: _Value) -> _Value:
        vertical, horizontal = module.padding
        window = {
            "stride": tuple(module.stride),
            "pad": (vertical, horizontal, vertical, horizontal),
            "dilation": tuple(module.dilation),
            "group": module.groups,
        }
        return self._product(name, module, x, window, None)

    def linear(self, name: str, module: Any, x: _Value) -> _Value:
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
        return _Value(made, kx + kw, flat=True)

    def _product(
        self, name: str, module: Any, x: _Value, window: dict[str, Any], shape: tuple[int, int, int] | None
    ) -> _Value:
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
        out = _Value(made, self._common(name, x) + kw)
        if module.bias is None:
            return out
        bias = module.bias.detach().double()
        if shape:  # a dense layer rounds its bias
            unit = 2.0 ** module.bias_exponent()
            bias = torch.floor(bias * unit + 0.5) / unit
        return replace(out, chain=(lambda y: y + bias.view(1, -1, 1),))

    def norm(self, name: str, module: Any, x: _Value) -> _Value:
        x = x if x.levels is None else self.integers(name, x)
        return replace(x, chain=(*x.chain, module.exact))

    def relu(self, name: str, module: Any, x: _Value) -> _Value:
        if x.chain:
            return replace(x, chain=(*x.chain, lambda y: y.clamp(min=0)))
        x = self.integers(name, x)
        ones = np.ones(self.channels(x.name), np.int64)
        return replace(x, name=self.append(Affine(_short(name), (x.name,), ones, 0 * ones, 0, 0, _WORD)))

    def pieces(self, name: str, module: Any, x: _Value) -> _Value:
        x = x if x.levels is None else self.integers(name, x)
        kind = self.types[x.name]
        thresholds, sign = self.thresholds(module, x, kind)
        made = self.append(Threshold(_short(name), (x.name,), thresholds, sign))
        levels, exponent = module.levels()
        return _Value(made, np.full(kind.shape[0], int(exponent)), levels.long().numpy(), flat=x.flat)

    def thresholds(self, module: Any, x: _Value, kind: TensorType) -> tuple[np.ndarray, np.ndarray]:
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

    def fixed(self, name: str, module: Any, x: _Value) -> _Value:
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
        wide = np.broadcast_to(multiplier.numpy(), (channels,)) << (up - shift)
        # common factors of two leave: an arithmetic shift of a sum with zeros below loses nothing
        o = np.broadcast_to(offset.numpy(), (channels,)) << (up - 4)
        while up > 0 and not (wide & 1).any() and not (o & 1).any():
            wide, o, up = wide >> 1, o >> 1, up - 1
        if up > 40 or (np.abs(wide) >= 1 << 17).any():
            raise InputError(
                f"layer {name!r}: its multipliers do not fit 17 bits with a shift of at most 40 (channel "
                "scales too far apart)"
            )
        made = self.append(Affine(_short(name), (x.name,), wide, o, up, module.lo, module.top))
        return replace(x, name=made, exponent=np.full(channels, f))

    def maxpool(self, name: str, module: Any, x: _Value) -> _Value:
        if x.chain:
            self.integers(name, x)
        if module.ceil_mode or _pair(module.dilation) != (1, 1):
            raise InputError(f"layer {name!r}: max-pooling with ceil_mode or dilation is not in the hardware")
        vertical, horizontal = _pair(module.padding)
        pad = (vertical, horizontal, vertical, horizontal)
        return replace(
            x,
            name=self.append(
                MaxPool(_short(name), (x.name,), _pair(module.kernel_size), _pair(module.stride), pad)
            ),
        )

    def sumpool(self, name: str, kernel: tuple[int, int], average: bool, x: _Value) -> _Value:
        x = self.integers(name, x)
        size = self.types[x.name].shape[1:] if kernel == (0, 0) else kernel
        area = size[0] * size[1]
        if average and area & (area - 1):
            raise InputError(
                f"layer {name!r}: an average over {area} values is not exact; sum, and rescale in fixed point"
            )
        made = self.append(SumPool(_short(name), (x.name,), kernel))
        return replace(x, name=made, exponent=x.exponent + (area.bit_length() - 1 if average else 0))

    def _aligned(self, name: str, x: _Value, exponent: np.ndarray) -> _Value:
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

    def add(self, name: str, a: _Value, b: _Value) -> _Value:
        exponent = np.maximum(a.exponent, b.exponent)
        a, b = self._aligned(name, a, exponent), self._aligned(name, b, exponent)
        return _Value(self.append(Add(_short(name), (a.name, b.name))), exponent)

    def concat(self, name: str, xs: list[_Value]) -> _Value:
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
        return _Value(made, np.concatenate([x.exponent for x in parts]), first.levels if same else None)

    def flatten(self, name: str, x: _Value) -> _Value:
        return replace(x, flat=True)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _short(name: str) -> str:
    """A node's name from a module's: dots become underscores, the place in a Sequential is dropped."""
    parts = name.split(".")
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return "_".join(parts)


@torch.no_grad()
def export(
    model: nn.Module,
    shape: tuple[int, int, int],
    value_range: tuple[int, int] | None = None,
    *,
    name: str = "network",
    engine: str = "auto",
    meta: dict[str, Any] | None = None,
    images: Tensor | None = None,
    check: bool = True,
) -> Network:
    """The network file of a trained model, compared with the model in evaluation, integer for integer.

    Parameters
    ----------
    model : the quantized twin, of `fermatnet.model.nn.convert.convert` or of the zoo
    name : stands in the file
    shape, value_range : the raw image (C, H, W) and the inclusive range of its pixels; None: all pixels of
    the bits that the model was
        converted for.
    engine : of the integer convolutions, "auto", "fermat" or "direct".
    meta : provenance; everything becomes text.
    images : uint8 (n, C, H, W) to compare on; None: the first of the calibration images, or random ones, and
    a black and a white one.
    check : False leaves the comparison out; the metadata key ``compared`` says what was compared.

    Raises InputError naming the layer that the hardware has no node for, and why; or that no data has set a
    layer's step.
    """
    if engine not in ("auto", "fermat", "direct"):
        raise InputError(f"engine must be auto, fermat or direct, not {engine!r}")
    model, shape = unwrapped(model, Report()), check_shape(shape)
    bits = next((module.bits for module in model.modules() if isinstance(module, PixelScale)), None)
    value_range = check_range(value_range, bits)
    if unset := without_step(model):
        raise InputError(
            f"layer {unset!r} has no step yet: give convert some images=, or train the model, before the "
            "export"
        )
    exporter = _Exporter(shape, value_range, engine)
    out = exporter.integers(
        "output", walk(model.eval(), exporter, _Value("image", np.zeros(shape[0], np.int64)))
    )
    if (out.exponent != out.exponent[0]).any():
        raise InputError("the outputs have different units: the last layer needs one weight step")
    facts: dict[str, Any] = {
        "name": name,
        "output_scale": repr(2.0 ** -int(out.exponent[0])),
        "output_exponent": int(out.exponent[0]),
        **{f"version_{key}": value for key, value in versions().items()},
        **(meta or {}),
    }
    net = Network(
        exporter.nodes,
        shape,
        value_range,
        output=out.name,
        meta={key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()},
    )
    if check:
        kept = images if images is not None else getattr(model, "meta", {}).get("images")
        kept = None if kept is None else check_images(kept, shape, 8).clamp(*value_range)  # type: ignore[union-attr]
        net.meta["compared"] = compare_network(model, net, probes(shape, value_range, kept))
    return net
