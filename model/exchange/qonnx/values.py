"""What a tensor of the source has become: a tensor of the network file with what is still to be done to it,
or weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["WORD", "Function", "Step", "Value", "Weights", "per_channel"]

Function = Callable[[np.ndarray], np.ndarray]
WORD = (1 << 31) - 1  # largest value of an Affine's clip range


@dataclass(frozen=True)
class Step:
    """One function of a number a channel, monotone, that waits for the next quantizer.

    Attributes
    ----------
    apply : float64 (n, C, k) to the same.
    gain, offset : (1, C or 1, 1) where ``apply`` is ``gain * y + offset``, else None.
    rises : (1, C or 1, 1) of +1 where it never falls, -1 where it never rises.
    pool : (kernel, stride, pad) of a maximum pooling that waits likewise; ``apply`` is then the identity.
    """

    apply: Function
    gain: np.ndarray | None = None
    offset: np.ndarray | None = None
    rises: np.ndarray | float = 1.0
    pool: tuple[Any, Any, Any] | None = None


@dataclass(frozen=True)
class Value:
    """A tensor of the network file: real = integer * scale (by channel), then ``chain``.

    Attributes
    ----------
    name : the layer of the network file that writes it.
    scale : float64 (C,); negative where a channel was turned around.
    shape : the tensor's shape in the source, without the batch: (C, H, W), or (features,).
    levels : the tensor holds indices of these integers.
    chain : what is still to be done to the reals.
    """

    name: str
    scale: np.ndarray
    shape: tuple[int, ...]
    levels: np.ndarray | None = None
    chain: tuple[Step, ...] = ()

    def then(self, *steps: Step) -> "Value":
        """The same integers with further steps between them and the reals."""
        return replace(self, chain=(*self.chain, *steps))

    @property
    def affine(self) -> bool:
        """Whether every step of the chain is ``gain * y + offset``."""
        return all(step.gain is not None for step in self.chain)

    def straight(self) -> tuple[np.ndarray, np.ndarray]:
        """(gain, offset), both (C,), of an affine chain with the scale in it: real = gain * integer +
        offset."""
        gain, offset = per_channel(self.scale), np.zeros((1, len(self.scale), 1))
        for step in self.chain:
            if step.gain is None or step.offset is None:
                raise ValueError("the chain is not affine")
            gain, offset = gain * step.gain, offset * step.gain + step.offset
        return gain.ravel(), offset.ravel()

    def real(self, n: np.ndarray) -> np.ndarray:
        """Reals (1, C, k) of integers (C, k)."""
        y = n.astype(np.float64)[None] * per_channel(self.scale)
        for step in self.chain:
            y = step.apply(y)
        return y


@dataclass(frozen=True)
class Weights:
    """Quantized weights: real = integer * scale; the scale broadcasts to the integers."""

    integers: np.ndarray
    scale: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """The weights as float64 numbers."""
        return self.integers * self.scale


def per_channel(value: np.ndarray) -> np.ndarray:
    """(1, C, 1) column of a scalar or a channelwise constant."""
    return np.asarray(value, np.float64).reshape(1, -1, 1)
