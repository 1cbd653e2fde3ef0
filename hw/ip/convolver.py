"""The convolver as stand-alone IP: options of ``fermatnet ip convolver`` to a component."""

from pathlib import Path

import numpy as np

from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.ip.block import Block, Option
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.plan import Geometry, choose

__all__ = ["CONVOLVER", "build_convolver"]


def _weights(file: str, shape: tuple[int, int, int, int], bits: int, seed: int) -> np.ndarray:
    """Kernels from a .npy file, or pseudo-random ones of the full range."""
    top = 1 << (bits - 1)
    if not file:
        return np.random.default_rng(seed).integers(-top, top, shape)
    try:
        weight = np.load(Path(file), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read weights {file}: {error}") from error
    if weight.shape != shape or weight.dtype.kind not in "iu":
        raise InputError(
            f"weights {file} must be integers of shape {shape}, not {weight.dtype} {weight.shape}"
        )
    if weight.min() < -top or weight.max() >= top:
        raise InputError(f"weights {file} reach from {weight.min()} to {weight.max()}: beyond {bits} bits")
    return weight.astype(np.int64)


def _moduli(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError as error:
        raise InputError(f"moduli must be widths such as 4,8,16, not {text!r}") from error


def build_convolver(
    *,
    inputs: int,
    outputs: int,
    kernel: int,
    height: int,
    width: int,
    stride: int,
    pad: int,
    group: int,
    weight_bits: int,
    input_bits: int,
    signed: bool,
    moduli: str,
    length: int,
    spectra: str,
    memory_bits: int,
    products: int,
    lanes_in: int,
    lanes_out: int,
    product_form: str,
    weights: str,
    seed: int,
) -> Convolver:
    """The component for these options; InputError where they do not fit."""
    if (
        min(inputs, outputs, kernel, height, width, stride) < 1
        or not 2 <= weight_bits <= 16
        or not 1 <= input_bits <= 16
    ):
        raise InputError(
            "inputs, outputs, kernel, height, width and stride must be at least 1, weight_bits 2..16, "
            "input_bits 1..16"
        )
    if group < 1 or inputs % group or outputs % group:
        raise InputError(f"group must divide {inputs} inputs and {outputs} outputs, not {group}")
    lo, hi = (-(1 << (input_bits - 1)), (1 << (input_bits - 1)) - 1) if signed else (0, (1 << input_bits) - 1)
    weight = _weights(weights, (outputs, inputs // group, kernel, kernel), weight_bits, seed)
    steps, border = (stride, stride), (pad, pad, pad, pad)
    plan = choose(
        weight,
        lo,
        hi,
        steps,
        border,
        (1, 1),
        group,
        height,
        width,
        _moduli(moduli),
        length,
        spectra=spectra,
        memory_bits=memory_bits,
        products=max(1, products),
    )
    return Convolver(
        weight,
        lo,
        hi,
        Geometry(height, width, (kernel, kernel), steps, border),
        group=group,
        plan=plan,
        lanes_in=lanes_in,
        lanes_out=lanes_out,
        products=products,
        product_form=product_form,
    )


CONVOLVER = Block(
    "convolver",
    "exact integer convolution of a stream of images by Fermat number transforms",
    build_convolver,
    (
        Option("inputs", int, 4, "input channels"),
        Option("outputs", int, 4, "output channels"),
        Option("kernel", int, 3, "kernel side", most=64),
        Option("height", int, 16, "image height", most=4096),
        Option("width", int, 16, "image width", most=4096),
        Option("stride", int, 1, "both directions", most=64),
        Option("pad", int, 1, "zeros on every side", most=64),
        Option("group", int, 1, "channel groups"),
        Option("weight_bits", int, 8, "2..16"),
        Option("input_bits", int, 8, "1..16"),
        Option("signed", bool, False, "inputs are signed"),
        Option(
            "moduli",
            str,
            "",
            "widths b of the moduli 2^b+1, such as 4,8,16; empty: the cheapest that hold the outputs",
        ),
        Option("length", int, 0, "points of the transforms, a power of two; 0: the cheapest"),
        Option(
            "spectra",
            ("auto", "stored", "computed"),
            "auto",
            "weight spectra from a memory, or computed on the fly",
        ),
        Option("memory_bits", int, 0, "most bits that stored spectra may take; 0: no limit", most=1 << 40),
        Option("products", int, 1, "kernels multiplied at once"),
        Option("lanes_in", int, 1, "channels a beat in"),
        Option("lanes_out", int, 1, "channels a beat out"),
        Option(
            "product_form",
            ("schoolbook", "karatsuba"),
            "schoolbook",
            "how wide products are split: 4 or 3 DSP blocks a halving",
        ),
        Option(
            "weights",
            str,
            "",
            ".npy file of integers (outputs, inputs/group, kernel, kernel); empty: examples",
        ),
        Option("seed", int, 0, "of the example weights", most=(1 << 32) - 1),
    ),
)
