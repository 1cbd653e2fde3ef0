"""Bench of the butterfly: sums and differences against the diminished-1 reference."""

from typing import Any

import cocotb

from fermatnet.model.fermat.number import Ring
from fermatnet.sim import bench, residues
from fermatnet.sim.pipeline import check_pipeline


@cocotb.test()
async def butterfly(dut: Any) -> None:
    """s = x + y and d = x - y modulo 2^b + 1."""
    settings = bench.load()
    ring = Ring(settings.options["b"])
    x, y = residues.pairs(ring, settings.vectors, settings.seed)
    await check_pipeline(
        dut,
        {"x": residues.words(ring, x), "y": residues.words(ring, y)},
        {"s": residues.words(ring, ring.add(x, y)), "d": residues.words(ring, ring.sub(x, y))},
        settings.latency,
        seed=settings.seed,
    )
