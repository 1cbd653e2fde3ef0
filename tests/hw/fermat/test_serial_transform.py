"""Serial transforms against the reference, with random gaps between runs, and their stated latency."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from fermatnet.hw.fermat.serial_transform import SerialTransform
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d, Transposer
from fermatnet.model.fermat import transform
from fermatnet.model.fermat.number import Number, Ring


def play(block, words, run, rng, to_bits, from_bits):
    """Feeds the words in runs of ``run`` with random gaps; returns those that come out, and the latency of
    the first."""
    found, times = [], {}

    async def process(ctx):
        at, gap, clock = 0, 0, 0
        while len(found) < len(words):
            live = at < len(words) and gap == 0
            ctx.set(block.valid, live)
            ctx.set(block.i, to_bits(words[at] if live else rng.integers(0, 2)))
            if live:
                times.setdefault("in", clock)
                at += 1
                if at % run == 0:
                    gap = int(rng.choice([0, 0, 1, 2, 3, 7, run // 2, run + 1]))
            else:
                gap = max(0, gap - 1)
            if ctx.get(block.o_valid):
                times.setdefault("out", clock)
                found.append(from_bits(ctx.get(block.o)))
            await ctx.tick()
            clock += 1
            assert clock < 40 * len(words) + 4000

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(process)
    simulator.run()
    return found, times["out"] - times["in"]


def numbers(b, shape, rng):
    """Random numbers, many of them zero or at the ends of the codes."""
    ring = Ring(b)
    value = rng.integers(0, 1 << b, shape, np.uint64)
    value = np.where(
        rng.random(shape) < 0.2, rng.choice(np.array([0, 1, (1 << b) - 1], np.uint64), shape), value
    )
    zero = rng.random(shape) < 0.2
    return ring, Number(np.where(zero, 0, value).astype(np.uint64), zero)


def serial(block, ring, x, run, rng):
    b = ring.b
    words = [int(w) for w in ring.pack(x).ravel()]

    def to_bits(word):
        return {"value": int(word) & ((1 << b) - 1), "zero": int(word) >> b}

    found, latency = play(block, words, run, rng, to_bits, lambda view: view.value | view.zero << b)
    return ring.unpack(np.array(found, object)), latency


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(
    ("b", "n"), [(2, 2), (4, 4), (4, 16), (8, 16), (8, 32), (12, 16), (16, 16), (16, 64), (32, 16), (64, 8)]
)
def test_one_dimension(b, n, inverse):
    rng = np.random.default_rng(b * n)
    adder_latency = 1 + inverse
    ring, x = numbers(b, (5, n), rng)
    block = SerialTransform(b, n, inverse=inverse, adder_latency=adder_latency)
    found, latency = serial(block, ring, x, n, rng)
    expected = transform.inverse(ring, x, scale=False) if inverse else transform.forward(ring, x)
    assert found.reshape(5, n).same(expected).all()
    assert latency == block.latency


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (2, 8), (8, 2), (8, 8)])
def test_transposer(rows, columns):
    rng = np.random.default_rng(rows)
    x = rng.integers(0, 1 << 10, (5, rows, columns))
    block = Transposer(10, rows, columns)
    found, latency = play(block, list(x.ravel()), rows * columns, rng, int, int)
    assert np.array_equal(np.array(found).reshape(5, columns, rows), x.transpose(0, 2, 1))
    assert latency == block.latency


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("b", "rows", "columns"), [(4, 16, 16), (8, 4, 8), (16, 8, 4), (32, 8, 8)])
def test_two_dimensions(b, rows, columns, inverse):
    rng = np.random.default_rng(b)
    ring, x = numbers(b, (4, rows, columns), rng)
    block = SerialTransform2d(b, rows, columns, inverse=inverse)
    given = x.moveaxis(1, 2) if inverse else x
    found, latency = serial(block, ring, given, rows * columns, rng)
    if inverse:
        expected = transform.inverse2d(ring, x, scale=False)
    else:
        expected = transform.forward2d(ring, x).moveaxis(1, 2)
    assert found.reshape(*expected.shape).same(expected).all()
    assert latency == block.latency
