"""What goes into a network: raw integers of a type, a shape and a range."""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.types import TensorType

__all__ = ["DTYPES", "Input", "dtype_of"]

DTYPES = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767)}


def dtype_of(lo: int, hi: int) -> str:
    """The narrowest type of `DTYPES` that holds lo..hi; InputError where none does."""
    for name, (least, most) in DTYPES.items():
        if least <= lo and hi <= most:
            return name
    raise InputError(f"input range must lie within one of {', '.join(DTYPES)}, not {lo}..{hi}")


@dataclass(frozen=True)
class Input:
    """One input of a network.

    Parameters
    ----------
    name : of the tensor
    dims : of one sample as its owner sees it: (n,), (channels, n) or (C, H, W)
    lo, hi : inclusive range of the values
    dtype : of the arrays that come in, one of uint8, int8, uint16, int16; "" takes the narrowest that holds
    the range

    Raises InputError for other shapes, and ranges that the type does not hold.
    """

    name: str
    dims: tuple[int, ...]
    lo: int = 0
    hi: int = 255
    dtype: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", tuple(int(d) for d in self.dims))
        if not 1 <= len(self.dims) <= 3 or min(self.dims) < 1:
            raise InputError(
                f"input shape must be positive numbers (n,), (c, n) or (C, H, W), not {self.dims}"
            )
        if self.lo > self.hi:
            raise InputError(f"input range {self.lo}..{self.hi} is empty")
        object.__setattr__(self, "dtype", self.dtype or dtype_of(self.lo, self.hi))
        if self.dtype not in DTYPES:
            raise InputError(f"input type must be one of {', '.join(DTYPES)}, not {self.dtype!r}")
        least, most = DTYPES[self.dtype]
        if not least <= self.lo <= self.hi <= most:
            raise InputError(
                f"input range must lie within {least}..{most} ({self.dtype}), not {self.lo}..{self.hi}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """As the layers see it: a vector is n channels of one pixel, (c, n) one row of n pixels."""
        if len(self.dims) == 1:
            return (self.dims[0], 1, 1)
        return (self.dims[0], 1, self.dims[1]) if len(self.dims) == 2 else self.dims  # type: ignore[return-value]

    @property
    def type(self) -> TensorType:
        """Shape and range of the integers that come in."""
        return TensorType(self.shape, self.lo, self.hi)

    def checked(self, samples: np.ndarray) -> np.ndarray:
        """int64 (n, C, H, W) of samples (n, *dims) or (n, C, H, W) of this type; InputError for anything
        else."""
        if samples.dtype != np.dtype(self.dtype):
            raise InputError(f"images must be {self.dtype}, not {samples.dtype}")
        if samples.shape[1:] not in (self.dims, self.shape) or samples.ndim < 2 or len(samples) < 1:
            dims = ", ".join(map(str, self.dims))
            raise InputError(f"images must have shape (n, {dims}) with n at least 1, not {samples.shape}")
        if samples.min() < self.lo or samples.max() > self.hi:
            raise InputError(
                f"pixels must lie within {self.lo}..{self.hi}, not {samples.min()}..{samples.max()}"
            )
        return samples.reshape(len(samples), *self.shape).astype(np.int64)
