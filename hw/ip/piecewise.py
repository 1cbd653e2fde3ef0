"""Stand-alone IP of the piecewise engine: popcount, array, threshold."""

from collections.abc import Callable

import numpy as np
from amaranth.hdl import signed

from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.ip.block import Block, Option
from fermatnet.hw.piecewise.compressor.cell import GATES
from fermatnet.hw.piecewise.compressor.heap import TARGETS
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.model.errors import InputError

__all__ = ["BLOCKS"]


def _numbers(text: str, what: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{what} must be integers with commas between, not {text!r}") from error


def _popcount(width: int, target: str, pipeline: int, gate: str) -> Popcount:
    return Popcount(width, target=target, pipeline=pipeline, gate=gate)


def _array(
    outputs: int, inputs: int, pe: int, simd: int, levels_w: str, levels_a: str, target: str, seed: int
) -> PiecewiseArray:
    weight, activation = _numbers(levels_w, "levels_w"), _numbers(levels_a, "levels_a")
    if outputs < 1 or inputs < 1:
        raise InputError(f"outputs and inputs must be at least 1, not {outputs} and {inputs}")
    codes = np.random.default_rng(seed).integers(0, len(weight), (outputs, inputs), dtype=np.uint8)
    return PiecewiseArray(codes, weight, activation, pe=pe, simd=simd, target=target)


def _threshold(channels: int, lanes: int, bits: int, pieces: int, seed: int) -> ThresholdUnit:
    if channels < 1 or pieces < 1 or not 2 <= bits <= 48:
        raise InputError("channels and pieces must be at least 1 and bits 2..48")
    rng, reach = np.random.default_rng(seed), 1 << bits - 1
    rows = np.sort(rng.integers(-reach, reach, (channels, pieces)), axis=1)
    return ThresholdUnit(rows, rng.choice([-1, 1], channels), signed(bits), lanes=lanes)


def _block(name: str, text: str, build: Callable, *options: Option) -> Block:
    return Block(name, text, build, options)


_SEED = Option(
    "seed", int, 0, "seed of the example contents; replace the .hex file by your own", most=(1 << 32) - 1
)

BLOCKS: dict[str, Block] = {
    block.name: block
    for block in (
        _block(
            "popcount",
            "popcount of a AND b, as few LUTs as the target allows",
            _popcount,
            Option("width", int, 64, "bits of each operand", most=4096),
            Option("target", TARGETS, "lut6", "logic it is made for"),
            Option("pipeline", int, 0, "register stages inside; 0 is combinational", most=64),
            Option("gate", tuple(GATES), "and", "what joins the operands"),
        ),
        _block(
            "array",
            "AND-popcount array: sum of a_i b_j popcount(T_i AND V_j), PE x SIMD",
            _array,
            Option("outputs", int, 32, "output channels O"),
            Option("inputs", int, 288, "inputs of an output K = kh*kw*C"),
            Option("pe", int, 4, "outputs in parallel; divides O"),
            Option("simd", int, 32, "inputs in parallel; divides K"),
            Option("levels_w", str, "-5,-2,0,2,5", "weight levels, ascending, 0 in the middle"),
            Option("levels_a", str, "0,1,2,3,4,5", "activation levels, ascending from 0"),
            Option("target", TARGETS, "generic", "logic it is made for"),
            _SEED,
        ),
        _block(
            "threshold",
            "integers to piece indices by thresholds of each channel",
            _threshold,
            Option("channels", int, 32, "channels C"),
            Option("lanes", int, 4, "channels a beat; divides C"),
            Option("bits", int, 16, "width of a signed input", most=64),
            Option("pieces", int, 5, "thresholds a channel N"),
            _SEED,
        ),
    )
}
