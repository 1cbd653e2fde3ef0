"""The structs of `kernels/program.h`: what a planned network looks like to the C++. Every field is an int64
or an address.
"""

import ctypes
from enum import IntEnum

__all__ = ["Kind", "Move", "Op", "Pair", "Program", "Source", "Step", "StepKind", "Tensor"]


class Kind(IntEnum):
    """How the numbers of a tensor are stored."""

    BYTES, HALVES, WORDS, LONGS, BITS, RESULT = range(6)


class StepKind(IntEnum):
    """Elementwise operations on a block."""

    AFFINE, THRESHOLD, TABLE, ADD, FETCH, STORE = range(6)
    REQUANTIZE, LOOKUP, MULTIPLY, ADD_CONSTANT, LOGIC = range(6, 11)


class Source(IntEnum):
    """What fills a block before its steps."""

    IMAGE, DOT_BYTES, DOT_HALVES, DOT_BITS, DEPTHWISE, LOAD, MAXIMUM, SUM, LARGEST, WEIGHTED = range(10)
    EXTERNAL, MOVE, TOP = range(10, 13)


def _fields(numbers: str, addresses: str = "") -> list[tuple[str, type]]:
    return [(name, ctypes.c_int64) for name in numbers.split()] + [
        (name, ctypes.c_void_p) for name in addresses.split()
    ]


class Tensor(ctypes.Structure):
    """Place and layout of a tensor in the memory of a thread."""

    _fields_ = _fields(
        "kind offset image row pixel plane top left bottom right height width channels zero planes fill"
    )


class Step(ctypes.Structure):
    """One elementwise operation: buffers, tensor, constants."""

    _fields_ = _fields("kind source target other tensor channel count shift lo hi zero zero2", "a b")


class Pair(ctypes.Structure):
    """Weight plane (-1: all bits of the window), activation plane, and the factor of their count."""

    _fields_ = _fields("weight activation factor")


class Move(ctypes.Structure):
    """Where a pixel of a result comes from: tensor (-1: nowhere), row, column, and what is added to its
    channels."""

    _fields_ = _fields("tensor y x channel")


class Op(ctypes.Structure):
    """A source and its steps."""

    _fields_ = _fields(
        "source tensor height width channels groups outputs inputs stride_y stride_x pad_y pad_x kernel_y "
        "kernel_x"
        " dilation_y dilation_x taps vectors planes outputs_first across_images wide_bytes pairs steps "
        "generic outside",
        "offsets weights start masks pair step moves order call",
    )


class Program(ctypes.Structure):
    """All operations and tensors; memory: bytes a thread needs for ``chunk`` images."""

    _fields_ = _fields(
        "ops tensors memory chunk image_bytes results input_bytes input_signed alone", "op tensor"
    )
