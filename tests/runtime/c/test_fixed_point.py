"""Fixed point in unsigned arithmetic against Python's integers."""

import random

import numpy as np
import pytest

from fermatnet.model.network.nodes import TensorType
from fermatnet.runtime.c.fixed_point import Split, affine_form


def computed(form, x, channel, multiplier, shift):
    """What the generated C computes, every operation modulo 2^width; the number before it is made signed must
    be in range."""
    if isinstance(form, Split):
        word = 1 << 32
        raised, m = x + form.lift_x, multiplier % word
        assert 0 <= raised < word
        below = ((raised & ((1 << form.bits) - 1)) * m + form.low[channel]) % word >> form.bits
        shifted = ((raised >> form.bits) * m + below + form.high[channel]) % word >> (shift - form.bits)
    else:
        word = 1 << form.width
        shifted = ((x % word) * (multiplier % word) + form.offset[channel]) % word >> shift
    assert shifted < word >> 1
    return shifted - form.lift


@pytest.mark.parametrize("seed", range(8))
def test_every_form_is_the_floor_of_the_exact_product(seed):
    rng, kinds = random.Random(seed), set()
    for _ in range(150):
        lo, hi = -rng.randrange(1 << rng.randint(1, 31)), rng.randrange(1 << rng.randint(1, 31))
        multipliers = [rng.randrange(-(1 << 17) + 1, 1 << rng.randint(1, 17)) for _ in range(3)]
        reach = 1 << rng.randint(1, 50)
        offsets, shift = [rng.randrange(-reach, reach) for _ in range(3)], rng.randint(0, 40)
        form = affine_form(TensorType((3, 1, 1), lo, hi), np.array(multipliers), np.array(offsets), shift)
        kinds.add((type(form).__name__, getattr(form, "width", 32)))
        for channel, (m, o) in enumerate(zip(multipliers, offsets, strict=True)):
            for x in (lo, hi, 0, -1 if lo < 0 else lo, rng.randint(lo, hi), rng.randint(lo, hi)):
                assert computed(form, x, channel, m, shift) == (x * m + o) >> shift
    assert len(kinds) == 3, "all three forms occur"


def test_a_wrong_offset_is_seen():
    form = affine_form(TensorType((1, 1, 1), -1000, 1000), np.array([77]), np.array([5]), 3)
    assert computed(form, -1000, 0, 77, 3) == (-77000 + 5) >> 3
    assert computed(form, -1000, 0, 77, 3) != (-77000 + 5 + 8) >> 3
