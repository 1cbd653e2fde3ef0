"""Small pieces of C text that several modules write: where a value is wanted, and constants."""

from dataclasses import dataclass

__all__ = ["Place", "literal"]


@dataclass(frozen=True)
class Place:
    """C expressions of the row, column and channel at which a value is wanted."""

    y: str
    x: str
    c: str


def literal(value: int) -> str:
    """A C constant of int32_t, or int64_t beyond it."""
    if -(1 << 31) < value < 1 << 31:
        return str(value)
    return f"(-INT64_C({-value - 1}) - 1)" if value < 0 else f"INT64_C({value})"
