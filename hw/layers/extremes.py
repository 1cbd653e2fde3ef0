"""The most extreme weights that a memory may be given: what a reloadable block is made for."""

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["ends", "room"]


def room(values: np.ndarray) -> int:
    """2^k - 1 with two bits to spare above every magnitude."""
    return (4 << int(np.abs(values).max(initial=1)).bit_length()) - 1


def ends(shape: tuple[int, ...], low: int, high: int, name: str) -> np.ndarray:
    """int64: all ``high`` for even outputs, all ``low`` for odd ones: together they reach every bound.
    InputError for a layer of one output."""
    if shape[0] < 2:
        raise InputError(f"layer {name!r}: reloadable weights need at least two outputs, not {shape[0]}")
    values = np.empty(shape, np.int64)
    values[0::2], values[1::2] = high, low
    return values
