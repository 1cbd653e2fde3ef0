"""What a block will take: look-up tables, flip-flops, block memories and multipliers, before anything is
synthesised.

`predict` elaborates the block and counts: registers, carry chains and the counters of compressor trees as
they are, gates by covering them with tables, memories by the rules of yosys' memory libraries, multipliers by
the widths from which yosys takes a hard one. One constant a family is fitted (`LOGIC`);
``fermatnet bench resources`` holds the result against yosys for layers that were not used to fit it.

`lut_cost` is the estimate the compiler chooses folds by, for thousands of candidates: a formula, no
elaboration. There multipliers cost what they would in tables, because no device has as many hard ones as a
wide fold would ask for.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from amaranth.lib import wiring

from fermatnet.hw.compiler.devices import device as find_device
from fermatnet.hw.layers import ElementwiseLayer, FermatConvLayer, Fold, Layer, MatrixVectorLayer, shape_of
from fermatnet.hw.piecewise.forms import choose_form, estimate
from fermatnet.hw.resources.contents import Contents
from fermatnet.hw.resources.mapping import wide_tables
from fermatnet.hw.resources.memory import column_tables, in_tables, kept
from fermatnet.hw.resources.netlist import elaborated
from fermatnet.hw.rtl.rom import KEPT_FROM
from fermatnet.model.errors import InputError
from fermatnet.model.network import nodes

__all__ = ["LOGIC", "Resources", "family_of", "is_predicted", "lut_cost", "predict"]

TABLE_INPUTS = {"xc7": 6, "ecp5": 4}
LOGIC = {"xc7": 0.93, "ecp5": 0.9}  # tables of yosys for one of the cover, fitted
HARD_PRODUCT = 9  # bits of a product from which yosys takes a hard multiplier
HARD_INPUTS = {"xc7": (25, 18), "ecp5": (18, 18)}


@dataclass(frozen=True)
class Resources:
    """``luts`` and ``ffs`` as yosys counts cells (see `fermatnet.synth.count`), block memories ``brams``
    (xc7: of 36 kbit, so halves), hard multipliers ``dsps``."""

    luts: float = 0.0
    ffs: int = 0
    brams: float = 0.0
    dsps: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams, self.dsps + other.dsps
        )


def family_of(device: str) -> str:
    """Family of a device name; InputError for one whose cells are not predicted."""
    family = find_device(device).family
    if family not in TABLE_INPUTS:
        raise InputError(
            f"resources are predicted for the families {' and '.join(TABLE_INPUTS)}, not for {device!r}"
        )
    return family


def is_predicted(device: str) -> bool:
    """Whether `predict` knows the family of a device."""
    return find_device(device).family in TABLE_INPUTS


def predict(component: wiring.Component, family: str = "xc7") -> Resources:
    """Resources of a component on ``family`` "xc7" or "ecp5"; InputError for another one. A second or so for
    a large layer."""
    if family not in TABLE_INPUTS:
        raise InputError(f"resources are predicted for {' and '.join(TABLE_INPUTS)}, not for {family!r}")
    return _resources(elaborated(component, family), family, {})


def _resources(made: Contents, family: str, known: dict[int, Resources]) -> Resources:
    logic = (
        wide_tables(made.graph, made.roots)
        if family == "ecp5"
        else made.graph.cover(made.roots, TABLE_INPUTS[family])
    )
    tables = LOGIC[family] * logic + made.chain + made.counters
    registers, blocks, hard = float(made.registers), 0.0, 0
    for store in made.stores:
        own_tables, own_registers, own_blocks, _ = kept(store, family)
        tables, registers, blocks = tables + own_tables, registers + own_registers, blocks + own_blocks
    for a, b, used in made.products:
        if min(a, b) >= 2 and min(used, a + b) >= HARD_PRODUCT:
            wide, narrow = HARD_INPUTS[family]
            hard += min(-(-a // wide) * -(-b // narrow), -(-b // wide) * -(-a // narrow))
        else:
            tables += a * b
    result = Resources(tables, round(registers), blocks, hard)
    for component in made.inside:
        if id(component) not in known:
            known[id(component)] = _resources(elaborated(component, family, inside=True), family, known)
        result += known[id(component)]
    return result


@cache
def _dot(levels_w: bytes, levels_a: bytes, simd: int, pe: int, target: str) -> tuple[float, int]:
    """Tables of one output's dot product by the price of its terms, and bits of a weight in memory."""
    w, a = np.frombuffer(levels_w, np.int64), np.frombuffer(levels_a, np.int64)
    form = choose_form(w, a, simd, pe, target)
    return estimate(form, simd, pe, target), form.weight_bits


def _weights(words: int, width: int) -> float:
    """Tables of a weight memory; none where it is block memory."""
    if not in_tables("xc7", words, width):
        return 0.0
    # equal columns of the smallest ones are shared
    return width * column_tables("xc7", words) * (1.0 if words > KEPT_FROM else 0.6)


def lut_cost(layer: Layer, fold: Fold) -> float:
    """LUTs of a layer at a fold, about: microseconds, deterministic."""
    width = shape_of(layer.inputs[0]).width
    out = shape_of(layer.output).width
    if isinstance(layer, MatrixVectorLayer):
        node: Any = layer.node
        words = max(1, layer.outputs * layer.taps // (fold.pe * fold.simd))
        window = 170 + 2.5 * width * fold.simd**0.5
        if isinstance(node, nodes.PiecewiseConv) and type(layer) is MatrixVectorLayer:
            levels = (
                np.asarray(node.levels_w, np.int64).tobytes(),
                np.asarray(node.levels_a, np.int64).tobytes(),
            )
            dot, bits = _dot(*levels, fold.simd, fold.pe, layer.target)
            return fold.pe * (dot + 1.2 * out) + _weights(words, fold.pe * fold.simd * bits) + window
        bits = (
            node.weight_bits
            if not isinstance(node, nodes.PiecewiseConv)
            else int(np.abs(node.levels_w).max()).bit_length() + 1
        )
        lanes = fold.pe * (fold.simd if type(layer) is MatrixVectorLayer else 1)
        return lanes * (1.2 * width * bits + 4) + fold.pe * 2 * out + _weights(words, lanes * bits) + window
    if isinstance(layer, FermatConvLayer):
        return sum(60.0 * b + fold.pe * b * b for b in layer.plan.widths) * 4
    if isinstance(layer, ElementwiseLayer):
        compared = (
            0.8 * width * layer.node.thresholds.shape[1] if isinstance(layer.node, nodes.Threshold) else 0.0
        )
        return compared + 2.0 * out + 30  # of one lane: how many there are is the neighbours' choice
    return fold.pe * 2.0 * width + 100
