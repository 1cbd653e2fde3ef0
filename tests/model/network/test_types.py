"""Ranges are true and tight."""

import itertools

import numpy as np

from fermatnet.model.network import activations
from fermatnet.model.network.nodes import TensorType
from fermatnet.model.network.rules import weighted_range

from .samples import digits_like, everything


def test_weighted_range_is_reached():
    rng = np.random.default_rng(0)
    for lo, hi in ((0, 5), (-3, 4), (2, 6)):
        w = rng.integers(-9, 10, (3, 4))
        values = {0, lo, hi}
        sums = [w @ np.array(x) for x in itertools.product(values, repeat=4)]
        assert weighted_range(w, lo, hi) == (min(s.min() for s in sums), max(s.max() for s in sums))


def test_bits():
    for lo, hi, bits in (
        (0, 1, 1),
        (0, 5, 3),
        (0, 255, 8),
        (-1, 0, 1),
        (-128, 127, 8),
        (-129, 0, 9),
        (0, 0, 1),
        (-5, 200, 9),
    ):
        assert TensorType((1, 1, 1), lo, hi).bits == bits


def test_every_value_lies_in_its_range():
    for net in (digits_like(3), everything(3)):
        lo, hi = net.input_range
        x = np.random.default_rng(0).integers(lo, hi + 1, (4, *net.input_shape)).astype(np.uint8)
        for name, value in activations(net, x):
            kind = net.types[name]
            assert value.shape[1:] == kind.shape
            assert value.min() >= kind.lo and value.max() <= kind.hi
