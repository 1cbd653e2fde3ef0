"""Whole designs of what imported networks hold: signed and wide inputs, padding values, two roundings,
tables, sums of scales."""

import numpy as np
import pytest

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Add, Affine, Conv, Dense, Lookup, MaxPool, Requantize, SumPool


def _requantize(rng: np.random.Generator, name: str, source: str, channels: int) -> Requantize:
    empty = np.zeros((channels, 0), np.int64)
    second = rng.integers(0, 4, channels)
    multiplier = rng.integers(1 << 30, 1 << 31, channels) >> 9
    return Requantize(
        name,
        (source,),
        multiplier,
        rng.integers(-(1 << 30), 1 << 30, channels),
        29,
        second,
        -5,
        -128,
        127,
        empty,
        empty,
    )


def residual(seed: int) -> Network:
    """A small residual network as int8 importers write it."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-127, 128, (4, 2, 3, 3))
    nodes = [
        Conv("c0", ("image",), weight, pad=(1, 0, 1, 2), pad_value=-17),
        _requantize(rng, "r0", "c0", 4),
        Conv("c1", ("r0",), rng.integers(-127, 128, (4, 1, 3, 3)), pad=(1, 1, 1, 1), pad_value=-128, group=4),
        Affine(
            "r1",
            ("c1",),
            rng.integers(1 << 18, 1 << 19, 4),
            rng.integers(-(1 << 20), 1 << 20, 4),
            25,
            -128,
            127,
        ),
        Affine("left", ("r0",), np.full(4, 300), np.zeros(4, np.int64), 0, -(1 << 31), (1 << 31) - 1),
        Affine("right", ("r1",), np.full(4, 211), np.zeros(4, np.int64), 0, -(1 << 31), (1 << 31) - 1),
        Add("add", ("left", "right")),
        Affine("r2", ("add",), np.full(4, 1), np.full(4, 77), 9, -128, 127),
        Lookup("table", ("r2",), rng.integers(-128, 128, 256), -128),
        MaxPool("pool", ("table",), (2, 2), (2, 2), (0, 0, 1, 0)),
        SumPool("sum", ("pool",)),
        Affine("mean", ("sum",), np.full(4, 21), np.full(4, 100), 8, -128, 127),
        Dense("dense", ("mean",), rng.integers(-127, 128, (3, 4)), rng.integers(-999, 999, 3)),
    ]
    return Network(nodes, (2, 5, 6), (-128, 127))


def vector(seed: int) -> Network:
    """Dense layers on a wide signed vector."""
    rng = np.random.default_rng(seed)
    first = Dense("d0", ("image",), rng.integers(-500, 500, (8, 12)), weight_bits=16)
    return Network(
        [first, _requantize(rng, "r0", "d0", 8), Dense("d1", ("r0",), rng.integers(-127, 128, (5, 8)))],
        (12,),
        (-2048, 2047),
    )


@pytest.mark.parametrize(("make", "cycles"), [(residual, 2000), (residual, 400), (vector, 200), (vector, 20)])
def test_hardware_is_the_reference(make, cycles):
    net = make(cycles)
    rng = np.random.default_rng(1)
    lo, hi = net.input_range
    images = rng.integers(lo, hi + 1, (4, *net.input_dims)).astype(net.input_dtype)
    images[0], images[1] = lo, hi
    design = plan(net, cycles=cycles)
    for seed in (None, 3):
        got = simulate_top(Top(design), images, seed=seed)
        np.testing.assert_array_equal(got.outputs, run(net, images))
        if seed is None:
            assert np.all(np.diff(got.ends)[1:] == design.cycles_per_image)
            assert got.latency == design.latency
