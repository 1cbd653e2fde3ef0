"""The fewest memories that keep the cycles: what is left out costs nothing, and one more would."""

from dataclasses import replace

import numpy as np
import pytest

from fermatnet.hw.fermat.convolver_plan import ConvolverPlan
from fermatnet.hw.timing.tiles import steady
from fermatnet.model.fermat.plan import Geometry, choose

LAYERS = {
    # channels, outputs, kernel, image, products
    "many channels": (8, 8, 5, 24, 2),
    "one channel": (1, 4, 3, 12, 2),
    "all products": (4, 4, 3, 16, 4),
}


def engine(name, even=False):
    channels, outputs, kernel, size, products = LAYERS[name]
    weight = np.random.default_rng(0).integers(-8, 8, (outputs, channels, kernel, kernel))
    pad = (kernel // 2,) * 4
    plan = choose(weight, 0, 15, pad=pad, height=size, width=size, products=products)
    geometry = Geometry(size, size, (kernel, kernel), pad=pad)
    return ConvolverPlan(weight, 0, 15, geometry, plan=plan, products=products, even=even)


@pytest.mark.parametrize("name", LAYERS)
def test_fewest(name):
    """No bank can be left out without making images slower, and more of everything makes none faster."""
    timing, cycles = engine(name).timing, engine(name).cycles
    more = replace(
        timing,
        spectra_banks=timing.spectra_banks + 2,
        band_banks=timing.band_banks + 2,
        ring=timing.ring + timing.rows,
    )
    assert steady(more)[1] == cycles
    for field in ("spectra_banks", "band_banks"):
        if getattr(timing, field) > 1:
            assert steady(replace(timing, **{field: getattr(timing, field) - 1}))[1] > cycles
    assert timing.ring >= max(timing.need)


def test_many_channels_hold_everything_once():
    made, even = engine("many channels"), engine("many channels", even=True)
    assert (made.timing.spectra_banks, made.timing.band_banks) == (
        1,
        1,
    ) and made.images.rows < even.images.rows
    assert (even.timing.spectra_banks, even.timing.band_banks) == (1, 2) and even.cycles == made.cycles


@pytest.mark.parametrize("name", LAYERS)
def test_words_are_written_behind_their_last_reading(name):
    """The first point of a tile that may start with the last job on the tile before reaches the memory of
    spectra after that job's first reading, in every modulus."""
    made = engine(name)
    for path in made.paths:
        written = made.timing.released + 1 + made.timing.point + path.begun_after
        assert written > path.source.ahead
