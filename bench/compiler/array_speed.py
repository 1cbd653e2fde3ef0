"""How fast arrays and trees run on ECP5, placed and routed alone, and what depth costs in counters."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.progress import track

from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.compressor.search import pareto
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.clock import Clock
from fermatnet.synth import flow

__all__ = ["depth_rows", "speed_rows"]

DEVICE = "ecp5-85k"
LEVELS_W, LEVELS_A = [-5, -2, 0, 2, 5], [0, 1, 2, 3, 4, 5]
WORDS = 72
"""Weight words of the array, in block memory."""


class Registered(wiring.Component):
    """A popcount between registers; the same latency and two cycles. One count a cycle."""

    def __init__(self, popcount: Popcount):
        self.popcount = popcount
        width = popcount.width
        super().__init__({"a": In(width), "b": In(width), "o": Out(width.bit_length())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.popcount = inner = self.popcount
        for side in ("a", "b"):
            held = Signal(inner.width, name=side, reset_less=True)
            m.d.sync += held.eq(getattr(self, side))
            m.d.comb += getattr(inner, side).eq(held)
        m.d.sync += self.o.eq(inner.o)
        if inner.pipeline:
            m.d.comb += inner.en.eq(1)
        return m


def _popcount(width: int, mhz: float | None) -> Registered:
    budget = math.inf if mhz is None else Clock(mhz, "ecp5").budget
    pipeline = 0 if mhz is None else None
    return Registered(Popcount(width, target="ecp5", pipeline=pipeline, budget=budget))


def _array(mhz: float) -> PiecewiseArray:
    codes = np.random.default_rng(0).integers(0, 5, (8, 8 * WORDS), dtype=np.uint8)
    return PiecewiseArray(codes, LEVELS_W, LEVELS_A, pe=8, simd=8, target="ecp5", clock_mhz=mhz)


def speed_rows(quick: bool = False) -> list[dict[str, Any]]:
    """Fmax and LUT of popcounts and of an 8 x 8 array at clock goals, beside what is wanted of them; minutes.
    ``quick``: the popcount of 72 only."""
    goals: list[tuple[str, Any, float | None, float | None, int | None]] = [
        (f"popcount {width}", lambda mhz, width=width: _popcount(width, mhz), mhz, least, most)
        for width, most in ((72, 148), (256, 539))
        for mhz, least in ((None, None), (200.0, 200.0))
    ]
    goals += [("array 8 x 8 (M=4 N=5)", _array, 100.0, None, None)]
    goals += [("array 8 x 8 (M=4 N=5)", _array, 180.0, 150.0, 1808)]
    rows = []
    for name, make, mhz, least, most in track(goals[1:2] if quick else goals, "speeds", transient=True):
        block = make(mhz)
        inner = getattr(block, "popcount", block)
        with tempfile.TemporaryDirectory(prefix="fermatnet-speed-") as scratch:
            verilog.emit(block, "block", Path(scratch))
            found = flow.block(Path(scratch) / "block.v", "block", DEVICE, clock_mhz=1.2 * (mhz or 100.0))
        rows.append(
            {
                "block": name,
                "clock goal": mhz,
                "stages": inner.pipeline,
                "luts": found["luts"],
                "ffs": found["ffs"],
                "fmax_mhz": found["fmax_mhz"],
                "goal_mhz": least,
                "goal_luts": most,
            }
        )
    return rows


def depth_rows(quick: bool = False) -> list[dict[str, Any]]:
    """For each depth of a popcount the cheapest tree found, with the registers that cut it for a clock."""
    rows = []
    sizes = [("lut6", 72)] if quick else [("lut6", 72), ("lut6", 256), ("ecp5", 72)]
    for target, width in sizes:
        heap = (width,) + (0,) * (width.bit_length() - 1), (0,) * width.bit_length()
        for deep, made in pareto(target, *heap):
            rows.append({"target": target, "width": width, "depth": deep, "luts": made.cost})
    return rows
