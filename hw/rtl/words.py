"""Words of bits: shape of a range and range of a shape, fields packed into words, whole bytes."""

from amaranth.hdl import Shape

from fermatnet.model.errors import InputError

__all__ = ["pack_words", "range_shape", "range_width", "shape_range", "whole_bytes"]


def range_shape(lo: int, hi: int) -> Shape:
    """Narrowest shape that holds lo..hi: two's complement when lo is negative, at least one bit; InputError
    for an empty range."""
    return Shape(range_width(lo, hi), signed=lo < 0)


def range_width(lo: int, hi: int) -> int:
    """Bits of `range_shape`; InputError for an empty range."""
    if lo > hi:
        raise InputError(f"a range must not be empty: {lo}..{hi}")
    if lo >= 0:
        return max(1, hi.bit_length())
    return max((~lo).bit_length(), hi.bit_length() if hi > 0 else 0) + 1


def shape_range(shape: Shape) -> tuple[int, int]:
    """Inclusive range of a shape's values."""
    return (
        (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)
    )


def pack_words(fields: list[list[tuple[int, int]]]) -> list[int]:
    """Words of (value, width) fields, the first field lowest; negative values wrap into their field."""
    words = []
    for row in fields:
        word, at = 0, 0
        for value, width in row:
            word |= (int(value) & ((1 << width) - 1)) << at
            at += width
        words.append(word)
    return words


def whole_bytes(bits: int) -> int:
    """``bits`` rounded up to a multiple of 8: what a field takes on a byte-wide bus or in memory."""
    return -(-bits // 8) * 8
