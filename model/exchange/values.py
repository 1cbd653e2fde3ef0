"""Tensors of the network file as the exporter sees them, and the steps where they meet or move."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.moved import as_vector, moved
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Levels,
    LogicJoin,
    Multiply,
    TopK,
)
from fermatnet.model.nn.moves import Gather, Reshape

__all__ = ["WORD", "Value", "Values", "short"]

WORD = (1 << 31) - 1


@dataclass(frozen=True)
class Value:
    """A tensor of the network file. real = n factor 2^-exponent then ``chain``; ``levels``: it holds piece
    indices, and n is their level. ``factor``: int64 (C,), positive; None: 1."""

    name: str
    exponent: np.ndarray  # int64 (C,)
    levels: np.ndarray | None = None
    chain: tuple[Callable[[Tensor], Tensor], ...] = ()
    flat: bool = field(default=False)
    factor: np.ndarray | None = None

    @property
    def unit(self) -> np.ndarray:
        """float64 (C,), exact: what one of the integers stands for."""
        unit = np.exp2(-self.exponent.astype(np.float64))
        return unit if self.factor is None else unit * self.factor


class Values(Builder):
    """The half of the exporter that knows no weights; see :class:`fermatnet.model.nn.walk.Visitor`."""

    def integers(self, name: str, x: Value, shift: int = 0) -> Value:
        """``x`` as plain integers, piece indices read through their table (shifted left by ``shift``)."""
        if x.chain:
            raise InputError(
                f"layer {name!r} takes integers, but a batch norm in full precision comes before it: use a "
                "fixed-point one"
            )
        if x.levels is None:
            return self._multiplied(name, x)
        factor = 1 if x.factor is None else int(x.factor[0])  # indices have one table
        made = self.append(Levels(f"{x.name}_levels", (x.name,), x.levels * factor << shift))
        return replace(x, name=made, levels=None, exponent=x.exponent + shift, factor=None)

    def _multiplied(self, name: str, x: Value) -> Value:
        if x.factor is None:
            return x
        kind = self.types[x.name]
        if max(-kind.lo, kind.hi) * int(x.factor.max()) > WORD:
            raise InputError(f"layer {name!r}: its input passes 31 bits: put a batch norm before it")
        zeros = np.zeros_like(x.factor)
        made = self.append(Affine(f"{x.name}_unit", (x.name,), x.factor, zeros, 0, -WORD, WORD))
        return replace(x, name=made, factor=None)

    def codes(self, name: str, x: Value) -> Value:
        """``x`` as integers all of whose channels have one factor, which stays beside them."""
        if x.chain or x.factor is None or (x.factor != x.factor[0]).any():
            return self.integers(name, x)
        if x.levels is None:
            return x
        made = self.append(Levels(f"{x.name}_codes", (x.name,), x.levels))
        return replace(x, name=made, levels=None)

    def one_unit(self, name: str, x: Value) -> Value:
        """``x`` as integers whose channels have one unit, the finest of them."""
        x = self.integers(name, x)
        return self._aligned(name, x, np.full_like(x.exponent, x.exponent.max()))

    def vector(self, name: str, x: Value) -> Value:
        """``x`` with its channels as torch counts them: a flattened map becomes channels of one pixel."""
        _, height, width = self.types[x.name].shape
        if not x.flat or height * width == 1:
            return x
        if x.chain:
            self.integers(name, x)
        made = as_vector(self, short(name), x.name)
        factor = None if x.factor is None else x.factor.repeat(height * width)
        return replace(x, name=made, exponent=x.exponent.repeat(height * width), factor=factor)

    def alike(self, name: str, xs: list[Value]) -> list[Value]:
        """Values that meet: as they lie where all lie alike, else flattened maps as vectors."""
        shapes = {(x.flat, self.types[x.name].shape) for x in xs}
        return xs if len(shapes) == 1 else [self.vector(name, x) for x in xs]

    def common(self, name: str, x: Value) -> int:
        """The power of two that all channels share; InputError where their units differ."""
        if (x.exponent != x.exponent[0]).any():
            raise InputError(
                f"layer {name!r}: its input channels have different units; put a fixed-point layer before it"
            )
        return int(x.exponent[0])

    def moved(self, name: str, module: Any, x: Value) -> Value:
        if x.chain:
            self.integers(name, x)
        if isinstance(module, Reshape):
            return replace(x, flat=len(module.dims) == 1)
        x = self.vector(name, x)
        if isinstance(module, Gather) and -1 in (module.places[0] or ()):
            x = self.integers(name, x)
        if x.factor is not None and (x.factor != x.factor[0]).any():
            x = self.integers(name, x)
        try:
            exponent = module.channels(torch.from_numpy(x.exponent)).numpy()
            made = moved(self, short(name), module, x.name)
        except InputError as error:
            raise InputError(f"layer {name!r}: {error}") from error
        flat = x.flat and self.types[made].shape[1:] == (1, 1)
        factor = None if x.factor is None else np.full_like(exponent, x.factor[0])
        return replace(x, name=made, exponent=exponent, flat=flat, factor=factor)

    def positions(self, name: str, module: Any, x: Value) -> Value:
        x = self.vector(name, self.integers(name, x))
        self.common(name, x)
        node = TopK(short(name), (x.name,), module.k) if module.k > 1 else ArgMax(short(name), (x.name,))
        return Value(self.append(node), np.zeros(max(module.k, 1), np.int64), flat=True)

    def _aligned(self, name: str, x: Value, exponent: np.ndarray) -> Value:
        shift = exponent - x.exponent
        if x.levels is not None and (shift == shift[0]).all():
            return self.integers(name, x, int(shift[0]))
        x = self.integers(name, x)
        if not shift.any():
            return x
        if shift.max() > 16:
            raise InputError(
                f"layer {name!r}: its inputs' units differ by 2^{int(shift.max())}, more than 2^16: put "
                "a batch norm before each of them"
            )
        made = self.append(
            Affine(f"{x.name}_align", (x.name,), np.int64(1) << shift, np.zeros_like(shift), 0, -WORD, WORD)
        )
        return replace(x, name=made, exponent=exponent)

    def add(self, name: str, a: Value, b: Value) -> Value:
        a, b = self.alike(name, [a, b])
        exponent = np.maximum(a.exponent, b.exponent)
        a, b = self._aligned(name, a, exponent), self._aligned(name, b, exponent)
        return Value(self.append(Add(short(name), (a.name, b.name))), exponent, flat=a.flat)

    def subtract(self, name: str, a: Value, b: Value) -> Value:
        b = self.integers(name, b)
        ones = np.ones(self.channels(b.name), np.int64)
        negative = self.append(Affine(f"{b.name}_negative", (b.name,), -ones, 0 * ones, 0, -WORD, WORD))
        return self.add(name, a, replace(b, name=negative))

    def multiply(self, name: str, a: Value, b: Value) -> Value:
        a, b = (self.vector(name, self.integers(name, x)) for x in (a, b))
        if self.types[a.name].shape[1:] == (1, 1):
            a, b = b, a  # the second may be one value a channel
        made = self.append(Multiply(short(name), (a.name, b.name)))
        return Value(made, a.exponent + b.exponent, flat=a.flat)

    def logic(self, name: str, module: Any, a: Value, b: Value) -> Value:
        for x in (a, b):
            if x.levels is None or x.levels.tolist() != [0, 1] or (x.unit != 1).any():
                raise InputError(
                    f"layer {name!r}: a logic join takes bits of the values 0 and 1: use the scheme sign"
                )
        a, b = self.alike(name, [a, b])
        return replace(a, name=self.append(LogicJoin(short(name), (a.name, b.name), module.table)))

    def concat(self, name: str, xs: list[Value], axis: int) -> Value:
        first, *_ = xs = [self.vector(name, x) for x in xs]
        same = all(
            x.levels is not None
            and first.levels is not None
            and np.array_equal(x.levels, first.levels)
            and x.unit[0] == first.unit[0]
            for x in xs
        )
        parts = xs if same else [self.integers(name, x) for x in xs]
        exponent = np.concatenate([x.exponent for x in parts])
        if axis > 1:
            exponent = np.stack([x.exponent for x in parts]).max(0)
            parts = parts if same else [self._aligned(name, x, exponent) for x in parts]
        made = self.append(Concat(short(name), tuple(x.name for x in parts), axis))
        factor = None if not same or first.factor is None else np.full_like(exponent, first.factor[0])
        return Value(made, exponent, first.levels if same else None, flat=first.flat, factor=factor)

    def flatten(self, name: str, x: Value) -> Value:
        return replace(x, flat=True)


def short(name: str) -> str:
    """A node's name from a module's: dots become underscores, the place in a Sequential is dropped."""
    parts = name.split(".")
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return "_".join(parts)
