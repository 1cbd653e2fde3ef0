"""Images to AXI4-Stream beats and back: raster order, channels ascending, a byte-aligned field a lane, lane 0
lowest."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["field_bits", "pack", "unpack"]


def field_bits(element_bits: int) -> int:
    """Bits of the field that holds an element of ``element_bits``: whole bytes."""
    return -(-element_bits // 8) * 8


def pack(images: NDArray[np.integer], lanes: int, element_bits: int) -> NDArray[np.uint8]:
    """Beats of ``images`` (n, C, H, W): uint8 (n * H * W * C/lanes, lanes * field bytes), lowest byte first.

    The values are taken as they are, two's complement where negative; ``lanes`` must divide C.
    """
    n, channels, height, width = images.shape
    size = field_bits(element_bits) // 8
    raster = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).astype("<i8")
    octets = raster.reshape(-1, 1).view(np.uint8)
    if size <= 8:
        octets = octets[:, :size]
    else:  # sign extension beyond 64 bits
        sign = np.where(octets[:, 7:] & 0x80, 0xFF, 0).astype(np.uint8)
        octets = np.concatenate([octets, np.repeat(sign, size - 8, axis=1)], axis=1)
    return np.ascontiguousarray(octets).reshape(n * height * width * channels // lanes, lanes * size)


def unpack(
    beats: NDArray[np.uint8], shape: tuple[int, int, int], lanes: int, element_bits: int, signed: bool
) -> NDArray[np.int64]:
    """Values int64 (n, C, H, W) of ``beats``, uint8 (n * beats an image, lanes * field bytes), lowest byte
    first.

    Raises ValueError when a field does not hold a value of ``element_bits``, extended to the field.
    """
    channels, height, width = shape
    size = field_bits(element_bits) // 8
    octets = beats.reshape(-1, size)
    whole = np.zeros((len(octets), 8), np.uint8)
    whole[:, : min(size, 8)] = octets[:, :8]
    values = whole.view("<i8").reshape(-1).astype(np.int64)
    if size < 8 and signed:
        values = (values << (64 - 8 * size)) >> (64 - 8 * size)
    if element_bits < 64:
        low, high = (
            (-(1 << (element_bits - 1)), (1 << (element_bits - 1)) - 1)
            if signed
            else (0, (1 << element_bits) - 1)
        )
        if values.size and (values.min() < low or values.max() > high):
            raise ValueError(
                f"a field holds more than its {element_bits} {'signed' if signed else 'unsigned'} bits"
            )
    return np.ascontiguousarray(values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2))
