"""Wide encoders and mixed-radix reconstruction against python integers, with their stated latencies."""

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from amaranth.sim import Simulator

from fermatnet.hw.fermat.residue import Reconstruct, WideEncoder
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.residue import modulus


def pipeline(block, inputs, outputs):
    """Feeds one entry of ``inputs`` (port: value) a cycle; returns what ``outputs(ctx)`` reads
    ``block.latency`` cycles later."""
    found = []

    async def process(ctx):
        for clock in range(len(inputs) + block.latency):
            if clock < len(inputs):
                for port, value in inputs[clock].items():
                    ctx.set(getattr(block, port), value)
            await ctx.tick()
            if clock + 1 >= block.latency:
                found.append(outputs(ctx))

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(process)
    simulator.run()
    return found[: len(inputs)]


def code(residue):
    return {"value": max(residue - 1, 0), "zero": int(residue == 0)}


@pytest.mark.parametrize(
    "widths", [(4,), (16,), (4, 8), (8, 4), (16, 32), (4, 8, 16), (8, 16, 32), (5, 10, 20), (4, 32)]
)
@pytest.mark.parametrize("part", [(0.5, 0.5), (0, 1), (1, 0), (0.3, 0.1)])
def test_reconstruct(widths, part):
    total, rng = modulus(widths), np.random.default_rng(0)
    lo, hi = -int(part[0] * (total - 2)), int(part[1] * (total - 2))
    values = [lo, hi, 0, max(lo, -1), min(hi, 1), *(lo + int(f * (hi - lo)) for f in rng.random(40))]
    inputs = [{f"i{k}": code(v % (2**b + 1)) for k, b in enumerate(widths)} for v in values]
    block = Reconstruct(widths, lo, hi)
    assert pipeline(block, inputs, lambda ctx: ctx.get(block.o)) == values


@pytest.mark.parametrize("b", [4, 5, 8, 16])
@pytest.mark.parametrize("shape", [signed(8), unsigned(8), signed(16), unsigned(13), signed(3)], ids=str)
def test_wide_encoder(b, shape):
    lo, hi = (
        (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, (1 << shape.width) - 1)
    )
    values = [lo, hi, 0, 1, *(int(v) for v in np.random.default_rng(b).integers(lo, hi + 1, 100))]
    block = WideEncoder(b, shape)
    found = pipeline(
        block, [{"i": v} for v in values], lambda ctx: (ctx.get(block.o.value), ctx.get(block.o.zero))
    )
    assert found == [(max(v % (2**b + 1) - 1, 0), int(v % (2**b + 1) == 0)) for v in values]


def test_bad_input():
    with pytest.raises(InputError, match="even multiple"):
        Reconstruct((3, 4), 0, 10)
    with pytest.raises(InputError, match="exceed the 17 values"):
        Reconstruct((4,), -9, 9)
