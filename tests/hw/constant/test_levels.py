"""Piecewise layers and scales as constants: against integers, with stalls, at the stated latency."""

import numpy as np
import pytest
from amaranth.hdl import Shape

from fermatnet.hw.constant.affine import ConstantAffine
from fermatnet.hw.constant.factored import odd_part, plan_chain
from fermatnet.hw.constant.levels import ConstantLevels, level_words
from fermatnet.model.errors import InputError

LEVELS = {
    "unit": ([-2, -1, 0, 1, 2], [0, 1, 2, 3, 4, 5]),
    "crooked": ([-37, -9, 0, 14, 61], [0, 5, 11, 30, 127]),
    "trained": ([-110, -60, 0, 58, 109], [0, 15, 29, 44, 58, 73]),
    "one": ([-1, 0, 1], [0, 1]),
}


@pytest.mark.parametrize("target", ["lut6", "ecp5"])
@pytest.mark.parametrize("name", LEVELS)
def test_levels(name, target, drive):
    levels_w, levels_a = (np.array(row) for row in LEVELS[name])
    rng = np.random.default_rng(len(name))
    codes = rng.integers(0, len(levels_w), (3, 14), dtype=np.uint8)
    codes[2] = len(levels_w) // 2  # all weights zero
    x = rng.integers(0, len(levels_a), (10, 14))
    x[0], x[1] = 0, len(levels_a) - 1
    block = ConstantLevels(codes, levels_w, levels_a, target=target)
    run = drive(block, x, 10, None if target == "lut6" else 2)
    np.testing.assert_array_equal(run.beats, levels_a[x] @ levels_w[codes].T)
    if target == "lut6":
        assert run.produced[0] - run.accepted[0] == block.latency


@pytest.mark.parametrize("name", LEVELS)
def test_words_make_the_levels(name):
    levels = np.array(LEVELS[name][1])
    words = level_words(levels)
    np.testing.assert_array_equal(sum(odd * np.array(own) for odd, own in words), levels)


def test_odd_parts():
    for value in (*range(-40, 0), *range(1, 40)):
        odd, power = odd_part(value)
        assert odd > 0 and odd % 2 and odd * power == value and abs(power).bit_count() == 1


def test_few_magnitudes_are_multiplied_once():
    """64 inputs of two magnitudes with many digits: two plans, half the tables of one."""
    rng = np.random.default_rng(2)
    weight = rng.choice([-107, -45, 0, 45, 107], (4, 64))
    ends = [0] * 64, [7] * 64
    chain = plan_chain(weight, [0] * 4, *ends, "lut6")
    assert len(chain) == 2
    product = chain[1].graph.matrix() @ chain[0].graph.matrix()
    np.testing.assert_array_equal(product, weight)


@pytest.mark.parametrize("target", ["lut6", "generic"])
def test_scale(target, drive):
    rng = np.random.default_rng(5)
    for low, high, lo, hi, shift in ((-128, 127, -8, 7, 6), (3, 200, 0, 255, 8), (-50, 0, -99999, 99999, 0)):
        multiplier, offset = rng.integers(-300, 300, 4), rng.integers(-5000, 5000, 4)
        multiplier[1] = 0
        x = rng.integers(low, high + 1, (12, 4))
        x[0], x[1] = low, high
        block = ConstantAffine(
            multiplier, offset, shift, lo, hi, Shape(8, low < 0), x_range=(low, high), target=target
        )
        run = drive(block, x, 12, None)
        np.testing.assert_array_equal(run.beats, np.clip((x * multiplier + offset) >> shift, lo, hi))
        assert run.produced[0] - run.accepted[0] == block.latency


def test_bad_parameters():
    with pytest.raises(InputError, match=r"must be \(C,\)"):
        ConstantAffine([1, 2], [0], 0, 0, 1, Shape(4), x_range=(0, 15))
    with pytest.raises(InputError, match="stages must be"):
        ConstantLevels(np.zeros((1, 2), np.uint8), [-1, 0, 1], [0, 1], stages=0)
