"""torch's integer mode: a model run on int64 tensors straight from its modules, beside the numpy reference
and apart from it.

A value is an integer tensor n with exponents k (real value n 2^-k), or a piece index with its levels, or,
between a batch norm and the activation that follows it, a float64 tensor. Integer products are summed in
float64 where every partial sum stays below 2^53 (checked), which is exact.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.samples import Batch, each, parts_of
from fermatnet.model.nn.walk import Window, input_names, walk

__all__ = ["Integers", "integer_logits", "integer_values"]

_EXACT = 1 << 53


@dataclass(frozen=True)
class Integers:
    """n int64 (images, C, ...), exponent int64 (C,) or (1,)."""

    n: Tensor
    exponent: Tensor

    def real(self) -> Tensor:
        """float64 n 2^-exponent, exact below 2^53."""
        return self.n.double() * torch.exp2(-self.exponent.double()).view(1, -1, *[1] * (self.n.dim() - 2))


@dataclass(frozen=True)
class _Pieces:
    index: Tensor
    levels: Tensor
    exponent: Tensor


@dataclass(frozen=True)
class _Real:
    x: Tensor


def _integers(x: Any, name: str) -> Integers:
    if isinstance(x, _Pieces):
        return Integers(x.levels[x.index], x.exponent)
    if not isinstance(x, Integers):
        raise InputError(
            f"layer {name!r} takes integers, but a batch norm in full precision comes before it: use a "
            "fixed-point one"
        )
    return x


def _real(x: Any) -> Tensor:
    return x.x if isinstance(x, _Real) else _integers(x, "").real()


def _exact(x: Integers, w: Tensor, name: str) -> tuple[Tensor, Tensor]:
    bound = int(x.n.abs().max()) * int(w.abs().reshape(w.shape[0], -1).sum(1).max())
    if bound >= _EXACT:
        raise InputError(f"layer {name!r}: sums up to {bound} pass 2^53")
    return x.n.double(), w.double()


class IntegerInterpreter:
    def __init__(self, keep: dict[str, Any] | None):
        self.keep = keep

    def _done(self, name: str, value: Any) -> Any:
        if self.keep is not None:
            self.keep[name] = value
        return value

    def pixels(self, name: str, module: Any, x: Integers) -> Integers:
        return Integers(module.arranged(x.n), x.exponent + module.bits)

    def _weights(self, name: str, module: Any) -> tuple[Tensor, Tensor]:
        if not hasattr(module.quantizer, "integers"):
            raise InputError(
                f"layer {name!r}: its weights are not integers ({type(module.quantizer).__name__})"
            )
        return module.quantizer.integers(module.weight.detach())

    def conv(self, name: str, module: Any, x: Any) -> Any:
        x = _integers(x, name)
        w, k = self._weights(name, module)
        a, b = _exact(x, w, name)
        y = functional.conv2d(
            a, b, None, module.stride, module.padding, module.dilation, module.groups
        ).long()
        out = Integers(y, _common(x.exponent, name) + k)
        if module.bias is not None:
            return _Real(out.real() + module.bias.detach().double().view(1, -1, 1, 1))
        return self._done(name, out)

    def linear(self, name: str, module: Any, x: Any) -> Any:
        x = _integers(x, name)
        w, k = self._weights(name, module)
        a, b = _exact(x, w, name)
        y, exponent = (a @ b.T).long(), _common(x.exponent, name) + k
        if module.bias is not None:
            unit = 2.0 ** module.bias_exponent()
            bias = torch.floor(module.bias.detach().double() * unit + 0.5)
            y = y + (bias * torch.exp2(exponent.double() - module.bias_exponent())).long()
        return self._done(name, Integers(y, exponent))

    def norm(self, name: str, module: Any, x: Any) -> _Real:
        return _Real(module.exact(_real(x)))

    def fixed(self, name: str, module: Any, x: Any) -> Integers:
        x = _integers(x, name)
        shape = (1, -1, *[1] * (x.n.dim() - 2))
        if hasattr(module, "constants"):
            multiplier, offset, e = module.constants()
            f = module.fraction
        else:  # UniformActivation: round to its step
            multiplier, offset, e, f = (
                torch.ones(1, dtype=torch.int64),
                torch.full((1,), 8),
                0,
                module.exponent(),
            )
        shift = e + x.exponent - f
        # n m 2^-shift + o/16 = (n m 2^(up - shift) + o 2^(up - 4)) 2^-up with integers on the right
        up = max(4, int(shift.max()))
        total = x.n * (multiplier << (up - shift)).view(shape) + (offset << (up - 4)).view(shape)
        return self._done(name, Integers((total >> up).clamp(module.lo, module.top), torch.tensor([f])))

    def pieces(self, name: str, module: Any, x: Any) -> _Pieces:
        levels, exponent = module.levels()
        return self._done(name, _Pieces(module.index(_real(x)), levels.long(), exponent.long().view(1)))

    def relu(self, name: str, module: Any, x: Any) -> Any:
        return (
            _Real(x.x.clamp(min=0))
            if isinstance(x, _Real)
            else Integers(_integers(x, name).n.clamp(min=0), _integers(x, name).exponent)
        )

    def maxpool(self, name: str, module: Any, x: Any) -> Any:
        values = x.index if isinstance(x, _Pieces) else _integers(x, name).n
        pooled = functional.max_pool2d(
            values.double(),
            module.kernel_size,
            module.stride,
            module.padding,
            module.dilation,
            module.ceil_mode,
        ).long()
        return self._done(
            name,
            _Pieces(pooled, x.levels, x.exponent) if isinstance(x, _Pieces) else Integers(pooled, x.exponent),
        )

    def sumpool(self, name: str, window: Window, average: bool, x: Any) -> Integers:
        x = _integers(x, name)
        kernel = tuple(x.n.shape[2:]) if window.kernel == (0, 0) else window.kernel
        area, (vertical, horizontal) = kernel[0] * kernel[1], window.padding
        if average and area & (area - 1):
            raise InputError(
                f"layer {name!r}: an average over {area} values is not exact; sum, and rescale in fixed point"
            )
        n = functional.pad(x.n, (horizontal, horizontal, vertical, vertical))
        stride = window.stride or kernel
        sums = n.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1]).sum((4, 5))
        return self._done(name, Integers(sums, x.exponent + (area.bit_length() - 1 if average else 0)))

    def curve(self, name: str, module: Any, x: Any) -> Integers:
        x = _integers(x, name)
        if bool((x.exponent != module.unit()).any()):
            raise InputError(f"layer {name!r}: its input is not the tensor that its table was made for")
        table, first = module.table()
        return self._done(name, Integers(table[x.n - first], torch.tensor([module.after.exponent()])))

    def moved(self, name: str, module: Any, x: Any) -> Any:
        if isinstance(x, _Pieces):
            return self._done(name, _Pieces(module(x.index), x.levels, x.exponent))
        x = _integers(x, name)
        exponent = x.exponent if x.exponent.numel() == 1 else _channels(name, module, x.exponent)
        return self._done(name, Integers(module(x.n), exponent))

    def positions(self, name: str, module: Any, x: Any) -> Integers:
        x = _integers(x, name)
        _common(x.exponent, name)
        return self._done(name, Integers(module.places(x.n.flatten(1)), torch.zeros(1, dtype=torch.int64)))

    def add(self, name: str, a: Any, b: Any) -> Integers:
        a, b = _integers(a, name), _integers(b, name)
        exponent = torch.maximum(a.exponent, b.exponent)
        return self._done(name, Integers(_shifted(a, exponent) + _shifted(b, exponent), exponent))

    def subtract(self, name: str, a: Any, b: Any) -> Integers:
        b = _integers(b, name)
        return self.add(name, a, Integers(-b.n, b.exponent))

    def multiply(self, name: str, a: Any, b: Any) -> Integers:
        a, b = _integers(a, name), _integers(b, name)
        return self._done(name, Integers(a.n * b.n, a.exponent + b.exponent))

    def logic(self, name: str, module: Any, a: Any, b: Any) -> _Pieces:
        a, b = _bits(a, name), _bits(b, name)
        return self._done(name, _Pieces(module.join(a.index, b.index), a.levels, a.exponent))

    def concat(self, name: str, xs: list[Any], axis: int) -> Any:
        first = xs[0]
        if all(isinstance(x, _Pieces) for x in xs) and all(
            torch.equal(x.levels, first.levels) and x.exponent == first.exponent for x in xs
        ):
            joined = torch.cat([x.index for x in xs], axis)
            return self._done(name, _Pieces(joined, first.levels, first.exponent))
        parts = [_integers(x, name) for x in xs]
        if axis == 1:
            exponent = torch.cat([p.exponent.expand(p.n.shape[1]) for p in parts])
            return self._done(name, Integers(torch.cat([p.n for p in parts], 1), exponent))
        finest = torch.stack([p.exponent.expand(p.n.shape[1]) for p in parts]).amax(0)
        return self._done(name, Integers(torch.cat([_shifted(p, finest) for p in parts], axis), finest))

    def flatten(self, name: str, x: Any) -> Any:
        if isinstance(x, _Pieces):
            return _Pieces(x.index.flatten(1), x.levels, x.exponent)
        x = _integers(x, name)
        area = x.n[0, 0].numel()
        return Integers(
            x.n.flatten(1), x.exponent if x.exponent.numel() == 1 else x.exponent.repeat_interleave(area)
        )


def _bits(x: Any, name: str) -> _Pieces:
    """``x`` where it is bits that stand for 0 and 1."""
    if isinstance(x, _Pieces) and x.levels.tolist() == [0, 1] and not x.exponent.any():
        return x
    raise InputError(f"layer {name!r}: a logic join takes bits of the values 0 and 1: use the scheme sign")


def _channels(name: str, module: Any, exponent: Tensor) -> Tensor:
    """The exponents of moved channels."""
    try:
        return module.channels(exponent)
    except InputError as error:
        raise InputError(f"layer {name!r}: {error}") from error


def _common(exponent: Tensor, name: str) -> Tensor:
    if bool((exponent != exponent[0]).any()):
        raise InputError(
            f"layer {name!r}: its input channels have different units; put a fixed-point layer before it"
        )
    return exponent[:1]


def _shifted(x: Integers, exponent: Tensor) -> Tensor:
    return x.n << (exponent - x.exponent).view(1, -1, *[1] * (x.n.dim() - 2))


@torch.no_grad()
def integer_values(model: nn.Module, images: Batch, keep: dict[str, Any] | None = None) -> Any:
    """Integers of the model's output, with their exponent, in the structure that the model returns; ``keep``
    collects the value of every layer by name. images: raw integers (n, *dims), one tensor an input."""
    for one in parts_of(images):
        if one.dtype.is_floating_point or one.dtype.is_complex:
            raise InputError(f"images must be raw integers, uint8 for instance, not {one.dtype}")
    unit = torch.zeros(1, dtype=torch.int64)
    start = {name: Integers(x.long(), unit) for name, x in each(input_names(model), images).items()}
    return _results(walk(model.eval(), IntegerInterpreter(keep), start))


def _results(value: Any) -> Any:
    """Integers of every tensor that a model returns."""
    if isinstance(value, dict):
        return {key: _results(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_results(one) for one in value)
    return _integers(value, "output")


def integer_logits(model: nn.Module, images: Batch, batch: int = 256) -> Tensor:
    """int64 (n, K) outputs of raw images (n, *dims): what the network file, the reference and the hardware
    must give too. Several outputs stand side by side in their order."""
    parts = []
    for start in range(0, len(images), batch):
        found = integer_values(model, images[start : start + batch])
        tensors = (
            [found]
            if isinstance(found, Integers)
            else [*found.values()]
            if isinstance(found, dict)
            else found
        )
        parts.append(torch.cat([one.n.flatten(1) for one in tensors], 1))
    return torch.cat(parts)
