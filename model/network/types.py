"""What is known of a tensor before anything runs: its shape, and the exact range of its values."""

from dataclasses import dataclass

import numpy as np

__all__ = ["TensorType", "width_of"]


@dataclass(frozen=True)
class TensorType:
    """Shape (C, H, W) of one image's tensor and the inclusive range [lo, hi] of its values."""

    shape: tuple[int, int, int]
    lo: int
    hi: int

    @property
    def signed(self) -> bool:
        """Whether it can be negative."""
        return self.lo < 0

    @property
    def bits(self) -> int:
        """Width that holds every value of the range: two's complement where it is signed."""
        if self.lo < 0:
            return max((-self.lo - 1).bit_length(), self.hi.bit_length() if self.hi > 0 else 0) + 1
        return max(1, self.hi.bit_length())


def width_of(values: np.ndarray) -> int:
    """Bits that hold every one of these integers: two's complement where one is negative."""
    return TensorType((1, 1, 1), int(values.min(initial=0)), int(values.max(initial=0))).bits
