"""The last layer: what its integers stand for, with one scale for all of them."""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.values import WORD, Value
from fermatnet.model.network.nodes import Affine, Dense

__all__ = ["Output", "finished"]

_FINEST = 8  # powers of two by which the outputs are made finer so that a bias is whole
_RATIO = 1 << 16  # largest whole ratio of two outputs' scales


@dataclass(frozen=True)
class Output:
    """The network's output: real = scale * (integer + remainder).

    Attributes
    ----------
    name : the layer.
    scale : one positive number.
    remainder : float64 (K,) or (1,): what rounding the bias to the integers' unit left out, within -1/2..1/2.
    """

    name: str
    scale: float
    remainder: np.ndarray

    @property
    def bias_error(self) -> float:
        """The largest error of the rounded bias, in real units."""
        return float(np.abs(self.remainder).max(initial=0) * self.scale)


def finished(g: Graph, x: Value) -> Output:
    """The output x with its chain worked in: exactly, but for a bias that is no whole number of units.

    Such a bias is rounded to the coarsest 2^-k of a unit, k up to 8, with which the outputs keep their order
    (a scalar one does with k = 0), else to 2^-8.

    Raises InputError where the outputs' scales have no common unit or the chain is no multiplication and
    addition.
    """
    x = g.integers(g.pooled(x, len(x.chain)) if x.chain else x)
    if not x.affine:
        raise InputError(
            "the last layer must be a dense layer with quantized weights, or end in a quantizer: "
            "put a Quant node after the rectifier at the end, or leave the rectifier out"
        )
    gain, offset = x.straight()
    unit = float(np.abs(gain).min())
    ratio = gain / (unit or 1)
    if (
        not unit
        or (np.abs(ratio - np.round(ratio)) > 2.0**-40 * np.abs(ratio)).any()
        or np.abs(ratio).max() > _RATIO
    ):
        raise InputError(
            f"the outputs have different scales ({float(np.abs(gain).min()):.6g} to "
            f"{float(np.abs(gain).max()):.6g}) that are no whole "
            "multiples of one: the last layer needs one weight scale (in Brevitas "
            "weight_scaling_per_output_channel=False), "
            "or a quantizer at its output"
        )
    return _worked_in(g, x, np.round(ratio).astype(np.int64), offset, unit)


def _worked_in(g: Graph, x: Value, factor: np.ndarray, offset: np.ndarray, unit: float) -> Output:
    finer = next((k for k in range(_FINEST + 1) if _whole(offset / unit * 2**k)), None)
    if finer is None:
        finer = next((k for k in range(_FINEST + 1) if _in_order(offset / unit, k)), _FINEST)
    kind = g.build.types[x.name]
    largest = max(abs(kind.lo), abs(kind.hi)) * int(np.abs(factor).max()) + np.abs(offset).max() / unit + 1
    while finer and largest * 2**finer > WORD:
        finer -= 1
    if largest > WORD:
        raise InputError(
            "the outputs do not fit 32 bits: the last layer needs one weight scale, or a quantizer at its "
            "output"
        )
    scale, factor = unit / 2**finer, factor << finer
    exact = offset / scale
    bias = np.round(exact).astype(np.int64)
    remainder = np.where(_close(exact), 0.0, exact - bias)
    name = _appended(g, x, factor, bias)
    return Output(name, scale, remainder)


def _in_order(bias: np.ndarray, finer: int) -> bool:
    """Whether no two outputs change their order by rounding each one's bias to 2^-finer units, whatever the
    whole sums are that the biases are added to: only the fractions of the biases decide that."""
    fraction = np.unique(np.round(bias % 1.0 * 2.0**30))  # what is closer counts as equal
    rounded = np.round(fraction / 2.0**30 * 2**finer)
    return bool((np.diff(rounded) > 0).all() and rounded[-1] - rounded[0] < 2**finer)


def _close(value: np.ndarray) -> np.ndarray:
    return np.abs(value - np.round(value)) <= 2.0**-36 * np.maximum(1, np.abs(value))


def _whole(value: np.ndarray) -> bool:
    return bool(_close(value).all())


def _appended(g: Graph, x: Value, factor: np.ndarray, bias: np.ndarray) -> str:
    """factor * x + bias: in the dense layer itself where it is the last one and takes no factor, else a layer
    of its own."""
    plain = bool((factor == 1).all())
    if plain and not bias.any():
        return x.name
    made = next((item for item in g.build.nodes if item.name == x.name), None)
    read = any(x.name in item.inputs for item in g.build.nodes)
    if plain and isinstance(made, Dense) and not made.bias.size and not read:
        made.bias = bias
        return x.name
    if np.abs(factor).max() >= 1 << 17:
        raise InputError(
            "the outputs have scales too far apart: give the last layer one weight scale, or quantize "
            "its output"
        )
    layer = Affine(f"{x.name}_bias", (x.name,), factor, bias, 0, -WORD, WORD)
    return g.build.append(layer)
