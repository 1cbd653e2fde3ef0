"""PLL settings: each one within its data sheet, checked by formulas of its own; the tools' own where there
are."""

from fractions import Fraction

import pytest

from fermatnet.boards.clock.primitives import MODELS
from fermatnet.boards.clock.settings import (
    FAMILIES,
    FASTEST_BAUD_ERROR,
    baud_error,
    best,
    divisor_of,
    settings,
)
from fermatnet.model.errors import InputError

SOURCES = {"ecp5": (25, 48, 12), "ice40": (12, 48, 16), "gw1nr-9": (27,), "gw2ar-18": (27,), "xc7": (100, 50)}


def output(kind, source, one):
    """The frequency that a setting makes, from the numbers alone, and the oscillator's and the detector's."""
    if kind == "ecp5":
        made = source * one["feedback"] / one["refer"]
        return made, made * one["divider"], source / one["refer"]
    if kind == "ice40":
        vco = source * (one["divf"] + 1) / (one["divr"] + 1)
        return vco / 2 ** one["divq"], vco, source / (one["divr"] + 1)
    if kind == "xc7":
        vco = source * one["feedback"] / one["refer"]
        return vco / one["divider"], vco, source / one["refer"]
    made = source * (one["fbdiv"] + 1) / (one["idiv"] + 1)
    return made, made * one["odiv"], source / (one["idiv"] + 1)


LIMITS = {
    "ecp5": ((400, 800), (10, 400)),
    "ice40": ((533, 1066), (10, 133)),
    "gw1nr-9": ((400, 1200), (3, 400)),
    "gw2ar-18": ((500, 1250), (3, 500)),
    "xc7": ((800, 1600), (19, 450)),
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_setting_is_within_its_limits(kind):
    (slow, fast), (least, most) = LIMITS[kind]
    for source in SOURCES[kind]:
        found = settings(kind, source)
        assert len(found) > 25 and [one.output for one in found] == sorted({one.output for one in found})
        for one in found:
            if one.numbers:
                made, vco, detector = output(kind, Fraction(source), one)
                assert made == one.output and vco == one.oscillator
                assert slow <= vco <= fast and least <= detector <= most
            else:
                assert one.output == source


def test_icepll_agrees():
    """12 MHz to 20.25 MHz, as icepll of Project IceStorm answers: DIVR 0, DIVF 53, DIVQ 5, FILTER_RANGE 1."""
    one = best("ice40", 12, 20.3, 115200)
    assert (one.mhz, one["divr"], one["divf"], one["divq"], one["filter"]) == (20.25, 0, 53, 5, 1)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("baud", [115200, 1_000_000])
def test_the_fastest_below_a_limit(kind, baud):
    source = SOURCES[kind][0]
    for most in (30.0, 47.3):
        one = best(kind, source, most, baud)
        assert one.mhz <= most and baud_error(one.output, baud) <= FASTEST_BAUD_ERROR
        faster = [other for other in settings(kind, source) if one.output < other.output <= most]
        assert all(baud_error(other.output, baud) > FASTEST_BAUD_ERROR for other in faster)


def test_divisors():
    assert divisor_of(50, 1_000_000) == 50 and divisor_of(12, 115200) == 104
    assert baud_error(50, 1_000_000) == 0 and baud_error(12, 5_000_000) == pytest.approx(0.2)


def test_what_cannot_be_made():
    with pytest.raises(
        InputError, match=r"the slowest clock from an oscillator of 12 MHz is 12 MHz, and 5 MHz"
    ):
        best("ice40", 12, 5, 115200)
    with pytest.raises(
        InputError, match=r"no clock of at most 13 MHz makes 9000000 baud: take a lower baud rate"
    ):
        best("ice40", 12, 13, 9_000_000)


def test_there_is_a_model_of_every_pll():
    assert set(MODELS) == {"ecp5", "ice40", "gowin", "xc7"}
