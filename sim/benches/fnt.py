"""Bench of the parallel transform: whole vectors against the diminished-1 reference, bit-reversed order
included."""

from typing import Any

import cocotb

from fermatnet.model.fermat import transform
from fermatnet.model.fermat.number import Ring
from fermatnet.sim import bench, residues
from fermatnet.sim.pipeline import check_pipeline


@cocotb.test()
async def fnt(dut: Any) -> None:
    """N points in, their transform (or its inverse) out, on every enabled cycle."""
    given = bench.load()
    ring, points = Ring(given.options["b"]), given.options["n"]
    x = residues.draw(ring, given.vectors * points, given.seed).reshape(given.vectors, points)
    if given.options.get("inverse"):
        expected = transform.inverse(ring, x, scale=given.options.get("scale", True))
    else:
        expected = transform.forward(ring, x)
    await check_pipeline(
        dut,
        {"i": residues.words(ring, x)},
        {"o": residues.words(ring, expected)},
        given.latency,
        seed=given.seed,
    )
