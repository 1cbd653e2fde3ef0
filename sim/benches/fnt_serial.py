"""Bench of the serial transform stream: frames of points against the diminished-1 reference, under stalls, at
the stated latency."""

from typing import Any

import cocotb

from fermatnet.model.fermat.number import Ring
from fermatnet.sim import bench
from fermatnet.sim.frames import check_frames, transformed


@cocotb.test()
async def fnt_serial(dut: Any) -> None:
    """N points in, one a cycle, their transform or its inverse out in the order of the reference."""
    settings = bench.load()
    ring = Ring(settings.options["b"])
    x, expected = transformed(ring, settings)
    await check_frames(dut, settings, ring.pack(x), ring.pack(expected))
