"""Bench of the popcount: gates and counts against Python's own integers."""

import random
from typing import Any

import cocotb

from fermatnet.sim import bench
from fermatnet.sim.pipeline import check_pipeline

EXHAUSTIVE = 6
GATES = {
    "and": lambda a, b: a & b,
    "nand": lambda a, b: ~(a & b),
    "xor": lambda a, b: a ^ b,
    "xnor": lambda a, b: ~(a ^ b),
}


@cocotb.test()
async def popcount(dut: Any) -> None:
    """o = number of ones of a gate b: every pair of operands for few bits, else corners, sparse, dense and
    random ones."""
    settings = bench.load()
    width, chance = settings.options["width"], random.Random(settings.seed)
    full = (1 << width) - 1
    if width <= EXHAUSTIVE:
        pairs = [(a, b) for a in range(full + 1) for b in range(full + 1)]
    else:
        single = [1 << at for at in range(width)]
        pairs = [
            (0, 0),
            (full, full),
            (full, 0),
            (0, full),
            *((bit, full) for bit in single),
            *((full ^ bit, full) for bit in single),
        ]
        pairs += [(chance.getrandbits(width), chance.getrandbits(width)) for _ in range(settings.vectors)]
        pairs += [
            (chance.getrandbits(width) | chance.getrandbits(width), full) for _ in range(settings.vectors)
        ]
    gate = GATES[settings.options.get("gate", "and")]
    counts = [(gate(a, b) & full).bit_count() for a, b in pairs]
    await check_pipeline(
        dut,
        {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]},
        {"o": counts},
        settings.latency,
        seed=settings.seed,
    )
