"""Parallel transforms: equal to the reference, latency as stated, stalls by ``en``."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from fermatnet.hw.fermat.transform import ParallelTransform
from fermatnet.model.errors import InputError
from fermatnet.model.fermat import transform as model
from fermatnet.model.fermat.number import Number, Ring


def packed(ring: Ring, x: Number) -> list[int]:
    return [sum(int(w) << (p * (ring.b + 1)) for p, w in enumerate(row)) for row in ring.pack(x)]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(
    ("b", "n", "latency"),
    [(4, 2, 1), (4, 16, 1), (5, 2, 0), (8, 8, 2), (12, 16, 1), (16, 8, 0), (32, 4, 2), (64, 4, 1)],
)
def test_against_reference(b: int, n: int, latency: int, inverse: bool) -> None:
    ring, rng = Ring(b), np.random.default_rng(b * n)
    rows = [[int(v) * 3 % ring.modulus for v in rng.integers(0, 1 << 62, n)] for _ in range(12)]
    rows[0], rows[1] = [0] * n, [1] * n
    x = ring.from_residues(rows)
    words = packed(ring, x)
    expected = packed(ring, (model.inverse if inverse else model.forward)(ring, x))
    dut = ParallelTransform(b, n, inverse=inverse, stage_latency=latency)
    assert dut.latency == latency * (n.bit_length() - 1 + ((2 * b) % n != 0))
    got: list[int] = []

    async def bench(ctx):
        stalls = np.random.default_rng(1).integers(0, 3, 200)
        sent = 0
        for stall in stalls:
            ctx.set(dut.i.as_value(), words[min(sent, len(words) - 1)])
            ctx.set(dut.en, int(stall > 0))
            await ctx.delay(1e-7)
            if stall > 0:
                if sent >= dut.latency and len(got) < len(words):
                    got.append(ctx.get(dut.o.as_value()))
                sent += 1
            if latency:
                await ctx.tick()
            if len(got) == len(words):
                return

    simulator = Simulator(dut)
    if latency:
        simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert got == expected


def test_unscaled_inverse() -> None:
    ring = Ring(8)
    dut = ParallelTransform(8, 4, inverse=True, scale=False, stage_latency=0)
    x = ring.from_residues([[1, 200, 0, 256]])

    async def bench(ctx):
        ctx.set(dut.i.as_value(), packed(ring, x)[0])
        await ctx.delay(1e-9)
        assert ctx.get(dut.o.as_value()) == packed(ring, model.inverse(ring, x, scale=False))[0]

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("b", "n"), [(16, 128), (6, 8), (16, 12), (1, 2), (70, 2)])
def test_bad_input(b: int, n: int) -> None:
    with pytest.raises(InputError):
        ParallelTransform(b, n)
