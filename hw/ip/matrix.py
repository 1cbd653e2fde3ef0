"""A constant matrix as stand-alone IP: options of ``fermatnet ip matrix`` to a component."""

from pathlib import Path

import numpy as np
from amaranth.hdl import Shape

from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.ip.block import Block, Option
from fermatnet.hw.piecewise.compressor.heap import TARGETS
from fermatnet.model.errors import InputError

__all__ = ["BLOCKS", "read_matrix"]

WEIGHT_BITS, INPUT_BITS, DIGITS = 16, 16, 1 << 17


def read_matrix(file: str) -> np.ndarray:
    """(O, I) int64 from a .npy file; InputError, with the file's name, for anything else."""
    if not file:
        raise InputError("matrix needs weights: --weights FILE.npy, integers, outputs by inputs")
    try:
        weight = np.load(Path(file), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read weights {file}: {str(error).splitlines()[0]}") from error
    if not isinstance(weight, np.ndarray):
        raise InputError(f"weights {file} must be one array (.npy), not an archive of several")
    if weight.ndim != 2 or not weight.size:
        raise InputError(
            f"weights {file} must be outputs by inputs and not empty, not of shape {weight.shape}"
        )
    if weight.dtype.kind not in "iu":
        raise InputError(f"weights {file} must be integers, not {weight.dtype}: round and scale them first")
    most = 1 << WEIGHT_BITS - 1
    low, high = int(weight.min()), int(weight.max())
    if low < -most or high >= most:
        raise InputError(
            f"weights {file} reach from {low} to {high}: beyond {-most}..{most - 1} of {WEIGHT_BITS} bits"
        )
    if np.count_nonzero(weight) > DIGITS:
        raise InputError(
            f"weights {file} hold {np.count_nonzero(weight)} values that are not 0, more than the "
            f"{DIGITS} of one block: cut the matrix"
        )
    return weight.astype(np.int64)


def _matrix(
    weights: str, input_bits: int, signed: bool, target: str, stages: int, clock_mhz: int
) -> ConstantMatrix:
    if not 1 <= input_bits <= INPUT_BITS:
        raise InputError(f"input_bits must be 1..{INPUT_BITS}, not {input_bits}")
    if stages < 0 or clock_mhz < 1:
        raise InputError(
            f"stages must not be negative and clock_mhz at least 1, not {stages} and {clock_mhz}"
        )
    return ConstantMatrix(
        read_matrix(weights),
        [],
        Shape(input_bits, signed),
        target=target,
        stages=stages or None,
        clock_mhz=clock_mhz,
    )


BLOCKS = {
    "matrix": Block(
        "matrix",
        "a constant matrix times a vector, one vector a cycle: no memory, no multiplier",
        _matrix,
        (
            Option("weights", str, "", ".npy file of integers, outputs by inputs"),
            Option("input_bits", int, 8, "width of an input value, 1..16"),
            Option("signed", bool, False, "inputs are signed"),
            Option("target", TARGETS, "lut6", "logic it is made for"),
            Option("stages", int, 0, "register stages, the last at the output; 0: by the clock", most=64),
            Option("clock_mhz", int, 100, "clock to aim at", most=1000),
        ),
    )
}
