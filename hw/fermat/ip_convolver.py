"""The convolver as stand-alone IP: options of ``fermatnet ip convolver`` to a component."""

from pathlib import Path

import numpy as np

from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.ip import Block, Option
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.plan import choose

__all__ = ["BLOCKS", "build_convolver"]


def _weights(file: str, shape: tuple[int, int, int, int], bits: int) -> np.ndarray:
    """Kernels from a .npy file, or pseudo-random ones of the full range (the same ones each time)."""
    top = 1 << (bits - 1)
    if not file:
        return np.random.default_rng(0).integers(-top, top, shape)
    try:
        weight = np.load(Path(file), allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read weights {file}: {error}") from error
    if weight.shape != shape or weight.dtype.kind not in "iu":
        raise InputError(f"weights {file} must be integers of shape {shape}, not {weight.dtype} {weight.shape}")
    if weight.min() < -top or weight.max() >= top:
        raise InputError(f"weights {file} reach from {weight.min()} to {weight.max()}: beyond {bits} bits")
    return weight.astype(np.int64)


def _moduli(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError as error:
        raise InputError(f"moduli must be widths such as 4,8,16, not {text!r}") from error


def build_convolver(
    *, outputs: int, channels: int, kernel: int, height: int, width: int, bits: int, signed: bool, stride: int, pad: int, group: int,
    moduli: str, length: int, spectra: str, memory_bits: int, products: int, lanes_in: int, lanes_out: int, product_form: str, weights: str,
) -> Convolver:
    """The component for these options; InputError where they do not fit."""
    if not 2 <= bits <= 16:
        raise InputError(f"bits must be 2..16, not {bits}")
    if group < 1 or channels % group or outputs % group:
        raise InputError(f"group must divide {channels} channels and {outputs} outputs, not {group}")
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    weight = _weights(weights, (outputs, channels // group, kernel, kernel), bits)
    how = {"stride": (stride, stride), "pad": (pad,) * 4, "group": group}
    plan = choose(
        weight, lo, hi, (stride, stride), (pad,) * 4, (1, 1), group, height, width, _moduli(moduli), length, spectra=spectra,
        memory_bits=memory_bits)
    return Convolver(
        weight, lo, hi, height, width, **how, plan=plan, lanes_in=lanes_in, lanes_out=lanes_out, products=products, product_form=product_form)


BLOCKS = {
    "convolver": Block(
        "convolver", "streaming exact convolution by Fermat number transforms, over one modulus or a residue system", build_convolver,
        (
            Option("outputs", int, 4, "output channels"), Option("channels", int, 2, "input channels"),
            Option("kernel", int, 3, "kernel side"), Option("height", int, 14, "image rows"), Option("width", int, 14, "image columns"),
            Option("bits", int, 8, "bits of inputs and weights, 2..16"), Option("signed", bool, True, "inputs are signed"),
            Option("stride", int, 1, "stride"), Option("pad", int, 1, "zeros on each side"), Option("group", int, 1, "channel groups"),
            Option("moduli", str, "", "widths b of the moduli 2^b+1, such as 4,8,16; empty: the cheapest that hold the outputs"),
            Option("length", int, 0, "points of the transforms, a power of two; 0: the cheapest"),
            Option("spectra", ("auto", "stored", "computed"), "auto", "weight spectra in a memory, or computed on the fly"),
            Option("memory_bits", int, 0, "most bits stored spectra may take; 0: no limit"),
            Option("products", int, 1, "kernels multiplied at once"),
            Option("lanes_in", int, 1, "channels a beat in"), Option("lanes_out", int, 1, "channels a beat out"),
            Option("product_form", ("schoolbook", "karatsuba"), "schoolbook", "multipliers wider than a DSP block"),
            Option("weights", str, "", ".npy file of integer weights (outputs, channels/group, kernel, kernel); empty: pseudo-random"),
        ),
    ),
}
