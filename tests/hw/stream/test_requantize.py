"""Two roundings, corrections and tables in hardware against the layers' own reference, with stalls, latency
and rate."""

import numpy as np
import pytest
from amaranth.hdl import signed

from fermatnet.hw.layers import shape_of
from fermatnet.hw.stream.requantize import LookupUnit, RequantizeUnit
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Lookup, Requantize

RNG = np.random.default_rng(3)


def requantizer(corrections: int, seconds: list[int]) -> Requantize:
    at, by = RNG.integers(-500, 500, (6, corrections)), RNG.integers(-1, 2, (6, corrections))
    multiplier, offset = RNG.integers(-(1 << 12), 1 << 12, 6), RNG.integers(-(1 << 14), 1 << 14, 6)
    return Requantize("y", ("image",), multiplier, offset, 9, np.array(seconds), -3, -20, 31, at, by)


@pytest.mark.parametrize("lanes", [1, 3, 6])
@pytest.mark.parametrize("corrections", [0, 2])
@pytest.mark.parametrize("seconds", [[0] * 6, [1, 0, 4, 2, 6, 1]])
def test_requantize(lanes, corrections, seconds, drive):
    node = requantizer(corrections, seconds)
    net = Network([node], (6,), (-512, 511))
    x = RNG.integers(-512, 512, (40, 6)).astype(np.int16)
    x[0], x[1] = -512, 511
    for c in range(6):
        x[2 : 2 + corrections, c] = node.at[c]
    want = run(net, x)
    for stalls in (None, 5):
        block = RequantizeUnit(node, signed(10), shape_of(net.types["y"]), lanes=lanes)
        got = drive(block, x.reshape(-1, lanes), x.size // lanes, stalls)
        np.testing.assert_array_equal(got.beats.reshape(want.shape), want)
        if stalls is None:
            assert np.all(np.array(got.produced) - np.array(got.accepted) == block.latency)
            assert np.all(np.diff(got.accepted) == 1)


@pytest.mark.parametrize("lanes", [1, 2])
def test_table(lanes, drive):
    node = Lookup("y", ("image",), RNG.integers(-100, 100, 256), -128)
    x = np.arange(-128, 128).astype(np.int8).reshape(-1, 2)
    want = run(Network([node], (2,), (-128, 127)), x)
    for stalls in (None, 4):
        block = LookupUnit(node.table, node.first, signed(8), lanes=lanes)
        got = drive(block, x.reshape(-1, lanes), x.size // lanes, stalls)
        np.testing.assert_array_equal(got.beats.reshape(want.shape), want)
        if stalls is None:
            assert np.all(np.array(got.produced) - np.array(got.accepted) == block.latency)


def test_bad_parameters():
    with pytest.raises(InputError, match="lanes must divide 6"):
        RequantizeUnit(requantizer(0, [0] * 6), signed(8), signed(8), lanes=4)
    with pytest.raises(InputError, match="one row"):
        LookupUnit([], 0, signed(8), lanes=1)
