"""Bench of the folded transform stream: frames, several points a beat, against the reference, under stalls,
at the stated latency."""

from typing import Any

import cocotb
import numpy as np

from fermatnet.model.fermat.number import Number, Ring
from fermatnet.sim import bench
from fermatnet.sim.frames import check_frames, transformed


def beats(ring: Ring, x: Number, lanes: int) -> np.ndarray:
    """The points of all frames as beats of ``lanes`` words, lane 0 lowest: an array of Python integers."""
    words = ring.pack(x).astype(object).reshape(-1, lanes)
    joined = words[:, 0]
    for lane in range(1, lanes):
        joined = joined | (words[:, lane] << (lane * (ring.b + 1)))
    return joined


@cocotb.test()
async def fnt_folded(dut: Any) -> None:
    """N points in, ``lanes`` a cycle, their transform or its inverse out in the order of the reference."""
    settings = bench.load()
    ring, lanes = Ring(settings.options["b"]), settings.options["lanes"]
    x, expected = transformed(ring, settings)
    await check_frames(dut, settings, beats(ring, x, lanes), beats(ring, expected, lanes))
