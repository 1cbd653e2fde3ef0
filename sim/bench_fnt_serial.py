"""Bench of the serial transform stream: frames of points against the diminished-1 reference, under stalls, at the stated latency."""

from typing import Any

import cocotb

from fermatnet.model.fermat import transform
from fermatnet.model.fermat.number import Ring
from fermatnet.sim import bench, residues
from fermatnet.sim.frames import check_frames


@cocotb.test()
async def fnt_serial(dut: Any) -> None:
    """N points in, one a cycle, their transform or its inverse out in the order of the reference."""
    given = bench.load()
    ring, points = Ring(given.options["b"]), given.options["n"]
    frames = max(2, given.vectors // points)
    x = residues.draw(ring, frames * points, given.seed).reshape(frames, points)
    if given.options.get("inverse"):
        expected = transform.inverse(ring, x, scale=given.options.get("scale", True))
    else:
        expected = transform.forward(ring, x)
    await check_frames(dut, given, ring.pack(x), ring.pack(expected))
