"""Whole designs at a tight clock: thresholds and scales that run free, and verdicts that are asked for early
and known late, change neither integers nor when they come."""

import random

import numpy as np
import pytest

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.wrong_lengths import beats_of_images, packets, run_packets
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Affine, Conv, Dense

RNG = np.random.default_rng(0)
WRONG = ("short", "long", "split", "one", "long", "short")


def residual():
    """Ends in a dense layer: every result needs the last input beat."""
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


def pixels():
    """A pixel out for a pixel in: most results leave long before the image has ended."""
    return Network([Affine("scale", ("image",), np.array([3, 5]), np.array([0, -2]), 1, 0, 255)], (2, 3, 3))


def corners():
    """Every third pixel: no result needs the last input beat."""
    weight = RNG.integers(-9, 9, (2, 1, 1, 1))
    return Network([Conv("conv", ("image",), weight, stride=(3, 3), engine="direct")], (1, 5, 5))


def vector():
    """One beat an image, a dozen images inside at a time."""
    weights = RNG.integers(-9, 9, (4, 3)), RNG.integers(-9, 9, (2, 4))
    return Network([Dense("a", ("image",), weights[0]), Dense("b", ("a",), weights[1])], (3, 1, 1))


@pytest.mark.parametrize("net", [residual, pixels, corners, vector])
def test_right_images_and_wrong_ones(net):
    """The good images come out right and in order; each bad one is counted, and dropped or marked."""
    design = plan(net(), device="ecp5-85k", clock_mhz=150, external="none")
    images = np.random.default_rng(1).integers(0, 256, (24, *design.net.input_shape)).astype(np.uint8)
    wanted = run(design.net, images)
    for seed in (None, 1):
        top = Top(design)
        sent = packets(beats_of_images(top, images), WRONG, random.Random(seed or 0))
        result = run_packets(top, sent, seed=seed)
        np.testing.assert_array_equal(result.valid, wanted)
        assert (result.error, result.error_count) == (1, sum(not good for _, good in sent))
    free = simulate_top(Top(design), images[:6], calm=4, limit=20_000)
    np.testing.assert_array_equal(free.outputs, wanted[:6])
    assert free.latency == design.latency
    assert free.ends[3] - free.ends[2] == design.cycles_per_image
