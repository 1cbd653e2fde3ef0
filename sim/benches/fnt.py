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
    settings = bench.load()
    ring, points = Ring(settings.options["b"]), settings.options["n"]
    x = residues.draw(ring, settings.vectors * points, settings.seed).reshape(settings.vectors, points)
    if settings.options.get("inverse"):
        expected = transform.inverse(ring, x, scale=settings.options.get("scale", True))
    else:
        expected = transform.forward(ring, x)
    await check_pipeline(
        dut,
        {"i": residues.words(ring, x)},
        {"o": residues.words(ring, expected)},
        settings.latency,
        seed=settings.seed,
    )
