"""The piecewise and the integer array against direct int64 sums: values, stalls, latency, cycles, accumulator
width."""

import numpy as np
import pytest
from amaranth.hdl import Shape, signed, unsigned

from fermatnet.hw.arrays.depthwise import DepthwiseArray
from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.piecewise import PiecewiseArray
from fermatnet.hw.piecewise.compressor.heap import TARGETS
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.verilog import emit
from fermatnet.model.errors import InputError

LEVELS = {
    "unit": ([-2, -1, 0, 1, 2], [0, 1, 2, 3, 4, 5]),
    "symmetric": ([-11, -4, 0, 4, 11], [0, 3, 6, 9]),
    "crooked": ([-37, -9, 0, 14, 61], [0, 5, 11, 30, 127]),
    "lopsided": ([-7, -3, 0, 5, 6], [0, 3, 4, 11]),
    "one": ([-1, 0, 1], [0, 1]),
    "eight": ([-9, -6, -3, -1, 0, 2, 3, 5, 8], [0, 1, 2, 4, 5, 7, 9, 13]),
}


def feed(x: np.ndarray, folds: int, simd: int) -> np.ndarray:
    """Windows (pixels, K) as the beats of a window unit: each window once a fold."""
    return np.repeat(x.reshape(x.shape[0], 1, -1, simd), folds, axis=1).reshape(-1, simd)


def check(block, x, expected, drive, stalls):
    beats = feed(x, block.folding.folds, block.simd)
    run = drive(block, beats, expected.size // block.pe, stalls)
    assert block.places >= 1 and block.latency > block.depth
    np.testing.assert_array_equal(run.beats.reshape(expected.shape), expected)
    if stalls is None:
        assert run.produced[0] - run.accepted[0] == block.latency
        assert len(beats) == block.cycles * x.shape[0]
        assert run.accepted == list(range(run.accepted[0], run.accepted[0] + len(beats)))  # one beat a cycle
        assert np.all(np.diff(run.produced) == block.folding.beats)


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize(("pe", "simd"), [(1, 1), (3, 6), (2, 18)])
def test_piecewise_equals_direct_sums(levels, pe, simd, drive):
    levels_w, levels_a = (np.array(row) for row in LEVELS[levels])
    rng = np.random.default_rng(pe * 100 + simd)
    codes = rng.integers(0, levels_w.size, (6, 18), dtype=np.uint8)
    x = rng.integers(0, levels_a.size, (3, 18))
    block = PiecewiseArray(codes, levels_w, levels_a, pe=pe, simd=simd)
    expected = levels_a[x] @ levels_w[codes].T
    check(block, x, expected, drive, None)
    check(PiecewiseArray(codes, levels_w, levels_a, pe=pe, simd=simd), x, expected, drive, 7)


@pytest.mark.parametrize("target", ["lut6", "ecp5", "asic"])
@pytest.mark.parametrize("form", ["planes", "powers", "one-hot", "table"])
@pytest.mark.parametrize(("levels", "pipeline"), [("lopsided", 3), ("unit", 1)])
def test_every_form_and_target(target, form, levels, pipeline, drive):
    levels_w, levels_a = (np.array(row) for row in LEVELS[levels])
    rng = np.random.default_rng(pipeline)
    codes = rng.integers(0, levels_w.size, (2, 10), dtype=np.uint8)
    x = rng.integers(0, levels_a.size, (4, 10))
    x[0], x[1] = 0, levels_a.size - 1

    def make():
        return PiecewiseArray(
            codes, levels_w, levels_a, pe=2, simd=5, target=target, pipeline=pipeline, form=form
        )

    check(make(), x, levels_a[x] @ levels_w[codes].T, drive, None)
    check(make(), x, levels_a[x] @ levels_w[codes].T, drive, 11)


@pytest.mark.parametrize("form", ["auto", "planes", "table"])
@pytest.mark.parametrize("code", [0, 1, 2])
def test_sums_narrower_than_the_levels(form, code, drive):
    """Weights that are all zero, or one alone, leave an accumulator narrower than a product's columns."""
    levels_w, levels_a = np.array([-64, 0, 64]), np.array([0, 8, 48])
    codes = np.full((2, 4), 1, np.uint8)
    codes[1, 2] = code
    x = np.random.default_rng(code).integers(0, 3, (5, 4))
    block = PiecewiseArray(codes, levels_w, levels_a, pe=1, simd=2, target="lut6", form=form)
    check(block, x, levels_a[x] @ levels_w[codes].T, drive, 1)


@pytest.mark.parametrize("target", TARGETS)
def test_a_faster_clock_has_more_registers(target, drive):
    """Without a number of stages the trees are cut by the clock, and the sums stay the same."""
    rng = np.random.default_rng(4)
    levels_w, levels_a = (np.array(row) for row in LEVELS["symmetric"])
    codes, x = rng.integers(0, 5, (1, 24), dtype=np.uint8), rng.integers(0, 4, (3, 24))
    stages = []
    for clock in (1, 40, 100, 250):
        block = PiecewiseArray(codes, levels_w, levels_a, pe=1, simd=12, target=target, clock_mhz=clock)
        stages.append(block.pipeline)
        check(block, x, levels_a[x] @ levels_w[codes].T, drive, None)
    assert stages == sorted(stages) and stages[0] <= 1 and stages[-1] > stages[1]


@pytest.mark.parametrize("stalls", [None, 3])
def test_two_registers_behind_a_block_memory_at_a_fast_clock(stalls, drive):
    """One beat later and the same sums, of pieces, integers and channels alone."""
    rng, clocks = np.random.default_rng(9), (Clock(80.0, "ecp5"), Clock(150.0, "ecp5"))
    levels_w, levels_a = (np.array(row) for row in LEVELS["symmetric"])
    codes, index = rng.integers(0, 5, (32, 72), dtype=np.uint8), rng.integers(0, 4, (2, 72))
    weight, x = rng.integers(-8, 8, (64, 36)), rng.integers(0, 16, (2, 36))
    channels, taps = rng.integers(-8, 8, (64, 9)), rng.integers(0, 16, (2, 64, 9))
    pieces = {"pe": 16, "simd": 9, "target": "ecp5", "pipeline": 1}
    for clock, fetch in zip(clocks, (1, 2), strict=True):
        block = PiecewiseArray(codes, levels_w, levels_a, clock_mhz=clock.mhz, **pieces)
        assert block.fetch == fetch and block.depth == block.pipeline + 2 + fetch
        check(block, index, levels_a[index] @ levels_w[codes].T, drive, stalls)
        whole = IntegerArray(weight, [], unsigned(4), pe=16, simd=6, clock=clock)
        assert whole.fetch == fetch and whole.memory_target == "ecp5"
        check(whole, x, x @ weight.T, drive, stalls)
        apart = DepthwiseArray(channels, unsigned(4), lanes=8, clock=clock)
        assert apart.fetch == fetch
        beats = taps.reshape(2, 8, 8, 9).transpose(0, 1, 3, 2).reshape(-1, 8)
        run = drive(apart, beats, 2 * 8, stalls)
        np.testing.assert_array_equal(run.beats, (taps * channels).sum(-1).reshape(-1, 8))
    small = PiecewiseArray(codes[:8, :18], levels_w, levels_a, clock_mhz=150.0, **pieces | {"pe": 4})
    assert small.fetch == 1  # tables hold its weights


@pytest.mark.parametrize("stalls", [None, 3])
def test_planes_are_copied_where_many_tables_listen(stalls, drive):
    """A table of products a lane for 16 outputs: eight copies of each bit, and the same sums."""
    rng = np.random.default_rng(10)
    levels_w, levels_a = np.array([-40, -13, 0, 9, 33]), np.array([0, 3, 7, 16, 40, 61])
    codes = rng.integers(0, 5, (32, 64), dtype=np.uint8)
    index = rng.integers(0, 6, (2, 64))
    block = PiecewiseArray(codes, levels_w, levels_a, pe=16, simd=1, target="ecp5", clock_mhz=150.0)
    assert block.fetch == 2 and block.form.kind == "table"
    check(block, index, levels_a[index] @ levels_w[codes].T, drive, stalls)
    text = emit(block, "array").verilog
    assert text.count("array_copy ") + text.count("array_copy #") > 2 * 3


@pytest.mark.parametrize("x_shape", [unsigned(8), signed(5), unsigned(1)])
@pytest.mark.parametrize(
    ("pe", "simd", "bias"), [(1, 1, True), (2, 5, True), (4, 10, True), (2, 2, False), (1, 10, True)]
)
def test_integer_equals_direct_sums(x_shape, pe, simd, bias, drive):
    rng = np.random.default_rng(pe * 10 + simd)
    weight = rng.integers(-128, 128, (4, 10))
    offset = rng.integers(-5000, 5000, 4) if bias else np.zeros(0, np.int64)
    lo, hi = (-16, 16) if x_shape.signed else (0, 1 << x_shape.width)
    x = rng.integers(lo, hi, (3, 10))
    expected = x @ weight.T + (offset if bias else 0)
    check(IntegerArray(weight, offset, x_shape, pe=pe, simd=simd), x, expected, drive, None)
    check(IntegerArray(weight, offset, x_shape, pe=pe, simd=simd), x, expected, drive, 3)


def test_extremes_fit_and_one_bit_less_would_not(drive):
    """The proven bound is reached by a real input, so no narrower accumulator is possible."""
    codes = np.array([[4, 4, 4, 0, 0], [0, 1, 0, 4, 2]], np.uint8)
    levels_w, levels_a = np.array([-37, -9, 0, 14, 61]), np.array([0, 5, 127])
    weight = levels_w[codes]
    x = np.array([(weight[0] > 0) * 2, (weight[1] < 0) * 2, (weight[0] < 0) * 2])
    expected = levels_a[x] @ weight.T
    block = PiecewiseArray(codes, levels_w, levels_a, pe=1, simd=5)
    width = block.acc_shape.width
    assert expected.max() >= 1 << width - 2 and block.acc_shape == Shape(width, signed=True)
    check(block, x, expected, drive, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pe": 4}, "pe must divide 6 outputs"),
        ({"simd": 4}, "simd must divide 18 inputs"),
        ({"codes": np.full((6, 18), 9, np.uint8)}, "codes must be 0..4"),
        ({"levels_a": [1, 2]}, "the first one 0"),
        ({"target": "lut5"}, "target must be one of"),
        ({"form": "magic"}, "form must be one of"),
    ],
)
def test_bad_input_is_named(change, words):
    good = {
        "codes": np.zeros((6, 18), np.uint8),
        "levels_w": LEVELS["unit"][0],
        "levels_a": LEVELS["unit"][1],
        "pe": 2,
        "simd": 3,
    }
    PiecewiseArray(**good)
    with pytest.raises(InputError, match=words):
        PiecewiseArray(**{**good, **change})
