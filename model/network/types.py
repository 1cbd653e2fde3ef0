"""What is known of a tensor before anything runs: its shape, and the exact range of its values."""

from dataclasses import dataclass

__all__ = ["TensorType"]


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
