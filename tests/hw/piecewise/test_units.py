"""Threshold, affine and level units against plain integer formulas, with stalls, latency and rate."""

import numpy as np
import pytest
from amaranth.hdl import Assert, signed, unsigned

from fermatnet.hw.piecewise.scale import AffineUnit, LevelsUnit
from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.registered_rom import RegisteredRom
from fermatnet.model.errors import InputError


def with_cuts(cuts):
    """The unit with so many registers in each comparison, whatever the clock."""

    class Cut(ThresholdUnit):
        def cuts_of(self, form):
            return min(cuts, 1) if self.cycles == 1 else cuts

    return Cut


def check(make, x, expected, drive):
    """x (pixels, C) through a fresh block, unstalled and stalled."""
    for stalls in (None, 5):
        block = make()
        run = drive(block, x.reshape(-1, block.lanes), x.size // block.lanes, stalls)
        np.testing.assert_array_equal(run.beats.reshape(expected.shape), expected)
        if stalls is None:
            assert np.all(np.array(run.produced) - np.array(run.accepted) == block.latency)
            assert np.all(np.diff(run.accepted) == getattr(block, "gap", 1))
            assert len(run.beats) == block.cycles * x.size // (block.cycles * block.lanes)


@pytest.mark.parametrize("lanes", [1, 2, 6])
@pytest.mark.parametrize("pieces", [1, 3, 5, 7, 8])
@pytest.mark.parametrize(
    ("x_shape", "cuts"), [(signed(7), 0), (unsigned(6), 0), (signed(7), 1), (unsigned(6), 2)]
)
def test_thresholds(cuts, lanes, pieces, x_shape, drive):
    rng = np.random.default_rng(pieces)
    thresholds = np.sort(rng.integers(-90, 90, (6, pieces)), axis=1)  # some past either end of x's range
    sign = np.array([1, -1, -1, 1, 1, -1])
    lo, hi = (-64, 64) if x_shape.signed else (0, 64)
    x = rng.integers(lo, hi, (40, 6))
    x[0], x[1] = lo, hi - 1
    expected = (sign[:, None] * x[:, :, None] >= thresholds).sum(axis=2)
    unit = with_cuts(cuts)
    check(lambda: unit(thresholds, sign, x_shape, lanes=lanes), x, expected, drive)


@pytest.mark.parametrize("form", ["parallel", "search", "serial"])
def test_a_memory_reads_wherever_its_register_loads(form, drive, monkeypatch):
    """What `RegisteredRom` asks for, under stalls."""
    elaborate, seen = RegisteredRom.elaborate, []

    def watched(self, platform):
        m = elaborate(self, platform)
        m.d.sync += Assert(~self.load | self.en)  # when the clock rises
        seen.append(self)
        return m

    monkeypatch.setattr(RegisteredRom, "elaborate", watched)
    rng = np.random.default_rng(6)
    rows, sign, x = np.sort(rng.integers(-60, 60, (6, 5)), axis=1), np.ones(6), rng.integers(-64, 64, (40, 6))
    expected = (x[:, :, None] >= rows).sum(axis=2)
    check(lambda: with_cuts(2)(rows, sign, signed(7), lanes=2, form=form), x, expected, drive)
    assert seen


@pytest.mark.parametrize("form", ["search", "serial"])
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 7, 8])
@pytest.mark.parametrize(
    ("x_shape", "signs", "cuts"),
    [
        (signed(7), [1, -1], 0),
        (unsigned(6), [1, -1], 0),
        (signed(7), [1], 0),
        (unsigned(6), [-1], 0),
        (signed(7), [1, -1], 1),
        (unsigned(6), [1], 2),
    ],
)
def test_searches(form, cuts, lanes, pieces, x_shape, signs, drive):
    """Binary searches, with thresholds past either end of x's range and equal ones, and rows shorter than the
    search."""
    rng = np.random.default_rng(pieces)
    lo, hi = (-64, 64) if x_shape.signed else (0, 64)
    thresholds = np.sort(
        rng.integers(-90 if len(signs) == 2 else -63, 90 if len(signs) == 2 else 63, (6, pieces)), axis=1
    )
    thresholds[3] = thresholds[3, 0]
    sign = rng.choice(signs, 6)
    x = rng.integers(lo, hi, (30, 6))
    x[0], x[1], x[2:12, 3] = lo, hi - 1, np.clip(thresholds[3, 0], lo, hi - 1)
    expected = (sign[:, None] * x[:, :, None] >= thresholds).sum(axis=2)
    unit = with_cuts(cuts)
    check(lambda: unit(thresholds, sign, x_shape, lanes=lanes, form=form), x, expected, drive)


def test_the_form_is_chosen_by_cost_and_interval():
    rng = np.random.default_rng(0)

    def unit(pieces, interval, lanes=1, form="auto"):
        return ThresholdUnit(
            np.sort(rng.integers(-9999, 9999, (64, pieces)), axis=1),
            np.ones(64),
            signed(18),
            lanes=lanes,
            interval=interval,
            form=form,
        )

    assert (unit(7, 1).form, unit(7, 2).form, unit(7, 3).form, unit(1, 9).form) == (
        "search",
        "search",
        "serial",
        "parallel",
    )
    assert unit(7, 9, lanes=64).form == "parallel"  # constants
    for pieces, interval in ((1, 1), (3, 1), (5, 9), (15, 4)):
        chosen = unit(pieces, interval)
        allowed = {
            form: cost
            for form, cost in chosen.costs().items()
            if form != "serial" or 1 < chosen.index_bits <= interval
        }
        assert chosen.costs()[chosen.form] == min(allowed.values()) and chosen.gap <= interval
    with pytest.raises(InputError, match="more than one beat a pixel"):
        unit(3, 1, lanes=64, form="search")
    with pytest.raises(InputError, match="form must be one of"):
        unit(3, 1, form="linear")


def test_a_faster_clock_cuts_comparisons_and_serial_needs_a_longer_interval():
    rows, sign = np.sort(np.random.default_rng(0).integers(-9999, 9999, (64, 7)), axis=1), np.ones(64)

    def unit(mhz, interval, target="ecp5", **options):
        return ThresholdUnit(
            rows, sign, signed(18), lanes=1, interval=interval, clock=Clock(mhz, target), **options
        )

    for mhz in (50, 100, 120, 200, 400):
        for form in ("parallel", "search", "serial"):
            assert unit(mhz, 1, form=form).cuts <= unit(1.5 * mhz, 1, form=form).cuts <= 2
    assert [unit(mhz, 9).form for mhz in (20, 120, 200)] == ["serial"] * 3
    assert [unit(mhz, 9).gap for mhz in (20, 100, 120)] == [3, 6, 9]
    assert [unit(mhz, 3).form for mhz in (20, 120)] == ["serial", "search"]
    assert [unit(120, 1, target, form="search").cuts for target in ("ecp5", "lut6")] == [2, 0]
    assert unit(120, 1, form="search").latency == 9 and unit(20, 1, form="search").latency == 4


@pytest.mark.parametrize(("form", "lanes"), [("parallel", 2), ("parallel", 6), ("search", 2), ("serial", 2)])
def test_thresholds_at_a_short_clock(form, lanes, drive):
    """Free behind credits, but for the serial form."""
    rng = np.random.default_rng(lanes)
    rows, sign = np.sort(rng.integers(-60, 60, (6, 5)), axis=1), np.array([1, -1, -1, 1, 1, -1])
    x = rng.integers(-64, 64, (40, 6))

    def unit():
        made = ThresholdUnit(rows, sign, signed(7), lanes=lanes, form=form, clock=Clock(150, "ecp5"))
        assert made.latency == made.depth + (form != "serial")
        return made

    check(unit, x, (sign[:, None] * x[:, :, None] >= rows).sum(axis=2), drive)


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize(
    ("shift", "lo", "hi"), [(0, -1 << 40, 1 << 40), (9, -128, 127), (3, 0, 255), (12, 5, 9)]
)
def test_affine(lanes, shift, lo, hi, drive):
    rng = np.random.default_rng(shift)
    multiplier, offset = rng.integers(-(1 << 17) + 1, 1 << 17, 4), rng.integers(-(1 << 20), 1 << 20, 4)
    x = rng.integers(-512, 512, (30, 4))
    x[0], x[1] = -512, 511
    expected = np.clip((x * multiplier + offset) >> shift, lo, hi)
    check(lambda: AffineUnit(multiplier, offset, shift, lo, hi, signed(10), lanes=lanes), x, expected, drive)


@pytest.mark.parametrize(
    ("mhz", "target", "cuts"),
    [
        (1, "ecp5", (False, [False, False])),
        (120, "ecp5", (True, [False, True])),
        (200, "ecp5", (True, [True, True])),
        (60, "lut6", (False, [False])),
        (400, "lut6", (True, [True])),
    ],
)
def test_affine_is_cut_by_the_clock(mhz, target, cuts, drive):
    """Values wider than a multiplier of ecp5, and factors in a block memory."""
    rng = np.random.default_rng(mhz)
    multiplier, offset = rng.integers(-(1 << 12), 1 << 12, 64), rng.integers(-(1 << 30), 1 << 30, 64)
    x = rng.integers(-(1 << 20), 1 << 20, (8, 64))
    x[0], x[1] = -(1 << 20), (1 << 20) - 1
    expected = np.clip((x * multiplier + offset) >> 10, -1000, 2_000_000)

    def unit():
        block = AffineUnit(
            multiplier, offset, 10, -1000, 2_000_000, signed(21), lanes=1, clock=Clock(mhz, target)
        )
        assert (block.cuts.word, list(block.cuts.sums)) == cuts
        return block

    check(unit, x, expected, drive)


@pytest.mark.parametrize("levels", [[0, 3, 5, 9, 100], [-7, 0, 3], [0, 0]])
def test_levels(levels, drive):
    rng = np.random.default_rng(0)
    x = rng.integers(0, len(levels), (12, 2))
    check(lambda: LevelsUnit(levels, 3, lanes=2), x, np.array(levels)[x], drive)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ThresholdUnit([[2, 1]], [1], signed(4), lanes=1), "must ascend"),
        (lambda: ThresholdUnit([[1, 2]], [2], signed(4), lanes=1), r"\+1 or -1"),
        (lambda: ThresholdUnit([[1, 2]] * 3, [1] * 3, signed(4), lanes=2), "lanes must divide 3"),
        (lambda: AffineUnit([1 << 31], [0], 0, 0, 1, signed(4), lanes=1), "below 2"),
        (lambda: AffineUnit([1], [0], 0, 2, 1, signed(4), lanes=1), "range must not be empty"),
        (lambda: LevelsUnit([1, 2, 3], 1, lanes=1), "one row of 1..2"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(InputError, match=words):
        make()
