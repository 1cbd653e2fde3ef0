"""Whole designs of layers that move values, multiply streams, sum windows and sort: equal to the reference
with and without stalls, in exactly the cycles that the schedule says."""

import itertools

import numpy as np
import pytest

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network import nodes as n

RNG = np.random.default_rng(4)


def conv(name: str, source: str, outputs: int, inputs: int) -> n.Conv:
    return n.Conv(name, (source,), RNG.integers(-3, 4, (outputs, inputs, 3, 3)), pad=(1, 1, 1, 1))


def clipped(name: str, source: str, channels: int) -> n.Affine:
    return n.Affine(name, (source,), np.full(channels, 5), np.full(channels, 9), 5, -20, 30)


def around(*layers: n.Node, channels: int = 4, size: tuple[int, int] = (4, 5)) -> Network:
    """The layers between a convolution and another one, so that beats come and are taken slowly."""
    start = [conv("c", "image", channels, 2), clipped("x", "c", channels)]
    last = layers[-1].name
    open_end = Network([*start, *layers], (2, *size), (-8, 7))
    outputs = open_end.types[last].shape[0]
    if open_end.types[last].bits > 8:
        layers = (*layers, clipped("narrow", last, outputs))
        last = "narrow"
    end = n.Conv("end", (last,), RNG.integers(-3, 4, (2, outputs, 1, 1)))
    return Network([*start, *layers, end], (2, *size), (-8, 7))


CONSTANT = RNG.integers(-9, 9, (4, 4, 5))
NETWORKS = {
    "pad": [n.Pad("y", ("x",), (2, 1, 0, 3), 100)],
    "pad at the end": [n.Pad("y", ("x",), (0, 0, 1, 1), -2)],
    "slice": [n.Slice("y", ("x",), (1, 0), (4, 5), (2, 3))],
    "insert": [n.Upsample("y", ("x",), (2, 3), "insert", -30)],
    "nearest": [n.Upsample("y", ("x",), (2, 3))],
    "nearest rows": [n.Upsample("y", ("x",), (3, 1))],
    "shuffle": [n.SelectChannels("y", ("x",), np.array([2, 0, 3, 1]))],
    "some channels": [n.SelectChannels("y", ("x",), np.array([3, 3, 1]))],
    "depth to space": [n.DepthToSpace("y", ("x",), 2)],
    "sum of windows": [n.SumPool("y", ("x",), (3, 2), (1, 1), (1, 1, 1, 0), 7)],
    "sum with gaps": [n.SumPool("y", ("x",), (1, 2), (2, 3))],
    "constant": [n.AddConstant("y", ("x",), CONSTANT)],
    "product": [conv("z", "x", 4, 4), clipped("s", "z", 4), n.Multiply("y", ("x", "s"), (3, -2))],
    "square": [n.Multiply("y", ("x", "x"))],
    "squeeze": [
        n.SumPool("sum", ("x",)),
        n.Affine("gate", ("sum",), np.full(4, 3), np.zeros(4, np.int64), 4, 0, 15),
        n.Multiply("y", ("x", "gate"), (0, 1)),
    ],
    "rows": [conv("z", "x", 4, 4), n.Concat("y", ("x", "z", "x"), 2)],
    "columns": [n.Slice("z", ("x",), (0, 1), (4, 3)), n.Concat("y", ("z", "x"), 3)],
    "upsampled and joined": [
        n.MaxPool("low", ("x",), (2, 2), (2, 2), (0, 1, 0, 0)),
        n.Upsample("high", ("low",), (2, 2)),
        n.Pad("tall", ("x",), (0, 1, 0, 0)),
        n.Concat("y", ("high", "tall")),
    ],
}


def images_of(net: Network, count: int = 4) -> np.ndarray:
    lo, hi = net.input_range
    images = np.random.default_rng(1).integers(lo, hi + 1, (count, *net.input_dims)).astype(net.input_dtype)
    images[0], images[1] = lo, hi
    return images


def check(net: Network, cycles: int, seeds=(None, 3)) -> None:
    images, design = images_of(net), plan(net, cycles=cycles)
    for seed in seeds:
        got = simulate_top(Top(design), images, seed=seed)
        np.testing.assert_array_equal(got.outputs, run(net, images))
        if seed is None:
            assert np.all(np.diff(got.ends)[1:] == design.cycles_per_image)
            assert design.latency <= got.latency <= design.latency_bound


@pytest.mark.parametrize(("name", "cycles"), list(zip(NETWORKS, itertools.cycle((300, 600, 250)))))
def test_hardware_is_the_reference(name, cycles):
    check(around(*NETWORKS[name]), cycles)


@pytest.mark.parametrize(("count", "k"), [(7, 3), (8, 8), (2, 1)])
def test_top_k(count, k):
    dense = n.Dense("d", ("image",), RNG.integers(-1, 2, (count, 6)))
    net = Network([dense, n.TopK("y", ("d",), k)], (6,), (-2, 1))
    assert len(np.unique(run(net, images_of(net, 30)), axis=0)) > 1 or k == 1
    check(net, 200)


def test_what_cannot_be_met_is_refused():
    net = Network([n.TopK("y", ("image",), 3)], (40,), (-2, 1))
    with pytest.raises(InputError, match=r"cannot be met: layer .y. and the links allow 40"):
        plan(net, cycles=20)
