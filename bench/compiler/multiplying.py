"""Arrays of integers that multiply in each way there is, synthesised, beside their goals."""

import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Shape, signed, unsigned
from rich.progress import track

from fermatnet.bench.compiler.array_synthesis import kept
from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.products.choice import WAYS, Operands, chosen, prices
from fermatnet.hw.resources import family_of, predict
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.clock import Clock
from fermatnet.synth.flow import cells

__all__ = ["product_rows"]

OUTPUTS, INPUTS, PE, SIMD = 32, 32, 8, 8
TARGETS = {"xc7": "lut6", "ecp5-85k": "ecp5"}
ARRAYS = {"4 x 4 bits": (7, unsigned(4)), "8 x 8 bits": (127, signed(8))}
GOALS = {
    ("4 x 4 bits", "xc7", "counted"): (1900, 0),
    ("4 x 4 bits", "xc7", "packed"): (1200, 16),
    ("8 x 8 bits", "xc7", "packed"): (None, PE * SIMD // 2),
}
"""LUTs and DSPs at most."""


def _array(top: int, x: Shape, target: str, way: str) -> IntegerArray:
    weight = np.random.default_rng(0).integers(-top, top + 1, (OUTPUTS, INPUTS))
    return IntegerArray(weight, [], x, pe=PE, simd=SIMD, clock=Clock(target=target), products=way)


def product_rows(quick: bool = False) -> list[dict[str, Any]]:
    """A matrix of 32 x 32, 8 outputs by 8 inputs a cycle: LUTs, FFs and DSPs by way, predicted LUTs and DSPs;
    ``quick``: xc7 and four bits only."""
    rows = []
    few = slice(1 if quick else None)
    wanted = []
    for (name, (top, x)), (device, target) in product(list(ARRAYS.items())[few], list(TARGETS.items())[few]):
        priced = prices(Operands((-top, top), x, SIMD, PE), target)
        wanted += [(name, device, way) for way in WAYS if way in priced]
    for name, device, way in track(wanted, "products", transient=True):
        (top, x), target = ARRAYS[name], TARGETS[device]
        goal_luts, goal_dsps = GOALS.get((name, device, way), (None, None))
        found = _mapped(_array(top, x, target, way), device)
        expected = predict(_array(top, x, target, way), family_of(device))
        rows.append(
            {
                "products": name,
                "device": device,
                "way": way,
                "default": chosen(Operands((-top, top), x, SIMD, PE), target, "auto") == way,
                **{key: found[key] for key in ("luts", "ffs", "dsps")},
                "products_a_dsp": PE * SIMD / found["dsps"] if found["dsps"] else None,
                "predicted_luts": round(expected.luts),
                "predicted_dsps": expected.dsps,
                "goal_luts": goal_luts,
                "goal_dsps": goal_dsps,
            }
        )
    return rows


def _mapped(array: IntegerArray, device: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="fermatnet-array-") as scratch:
        made = verilog.emit(array, "block", Path(scratch))
        return kept.get(device, made, lambda: cells(Path(scratch) / "block.v", "block", device))
