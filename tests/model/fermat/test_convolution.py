"""The reference convolution against the definition, on random layers and at the ends of every range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.bound import output_range, symmetric_bound
from fermatnet.model.fermat.candidates import SYSTEMS, longest
from fermatnet.model.fermat.convolution import convolve2d
from fermatnet.model.fermat.plan import choose

from .direct import direct


@st.composite
def layers(draw):
    group = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    return {
        "channels": group * draw(st.integers(1, 3)),
        "outputs": group * draw(st.integers(1, 3)),
        "group": group,
        "kernel": kernel,
        "dilation": dilation,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "pad": draw(st.tuples(*[st.integers(0, 3)] * 4)),
        "size": (draw(st.integers(11, 24)), draw(st.integers(11, 24))),
        "bits": draw(st.sampled_from([2, 8, 16])),
        "signed": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "extreme": draw(st.booleans()),
    }


def make(layer):
    rng = np.random.default_rng(layer["seed"])
    bits = layer["bits"]
    lo, hi = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if layer["signed"] else (0, (1 << bits) - 1)
    top = 1 << (bits - 1)
    shape_w = (layer["outputs"], layer["channels"] // layer["group"], *layer["kernel"])
    shape_x = (2, layer["channels"], *layer["size"])
    if layer["extreme"]:
        return rng.choice([lo, hi], shape_x), rng.choice([-top, top - 1], shape_w), lo, hi
    return rng.integers(lo, hi + 1, shape_x), rng.integers(-top, top, shape_w), lo, hi


@settings(max_examples=60, deadline=None)
@given(layers())
def test_random_layers(layer):
    x, w, lo, hi = make(layer)
    how = {key: layer[key] for key in ("stride", "pad", "dilation", "group")}
    plan = choose(w, lo, hi, **how, height=layer["size"][0], width=layer["size"][1])
    assert np.array_equal(convolve2d(x, w, plan, **how), direct(x, w, **how))


@pytest.mark.parametrize("moduli", SYSTEMS)
def test_every_system_at_the_ends_of_its_range(moduli):
    """Both ends of the proven range are reached by an image made for it, and come out exactly."""
    rng = np.random.default_rng(len(moduli))
    scale = {8: 1, 4: 1, 16: 40}.get(moduli[0], 3000) if len(moduli) == 1 else 3
    w = rng.integers(-scale, scale + 1, (2, 1, 3, 3))
    x = np.stack([np.tile(np.where(w[o] > 0, hi, 0), (1, 3, 3)) for o in range(2) for hi in (5, 0)])
    x[1::2] = np.stack([np.tile(np.where(w[o] < 0, 5, 0), (1, 3, 3)) for o in range(2)])
    plan = choose(w, 0, 5, height=9, width=9, moduli=moduli)
    y = convolve2d(x, w, plan)
    assert np.array_equal(y, direct(x, w))
    assert (y.min(), y.max()) == output_range(w, 0, 5) == (plan.lo, plan.hi)


@pytest.mark.parametrize("length", [8, 16, 32, 64])
@pytest.mark.parametrize("size", [(1, 1), (7, 40), (33, 5)])
def test_any_size_and_length(length, size):
    rng = np.random.default_rng(length)
    x, w = rng.integers(0, 256, (1, 2, *size)), rng.integers(-128, 128, (3, 2, 5, 5))
    pad = (2, 2, 2, 2)
    plan = choose(w, 0, 255, pad=pad, height=size[0], width=size[1], moduli=(32,), length=length)
    assert plan.lengths == (length, length)
    assert np.array_equal(convolve2d(x, w, plan, pad=pad), direct(x, w, pad=pad))


def test_composite_modulus_with_zero_divisors():
    """641 * 6700417 = 2^32 + 1: products of nonzero residues that vanish must not disturb an exact layer."""
    x = np.full((1, 1, 4, 4), 641)
    w = np.array([6700417 // 4, 641, -641, 1]).reshape(1, 1, 2, 2)
    plan = choose(w, 0, 641, height=4, width=4, moduli=(32,))
    assert np.array_equal(convolve2d(x, w, plan), direct(x, w))


def test_non_fermat_widths():
    rng = np.random.default_rng(5)
    x, w = rng.integers(-8, 8, (1, 2, 9, 9)), rng.integers(-8, 8, (2, 2, 3, 3))
    for moduli in ((12,), (20,), (6, 12), (40,)):
        plan = choose(w, -8, 7, height=9, width=9, moduli=moduli)
        assert max(plan.lengths) <= min(longest(b) for b in moduli)
        assert np.array_equal(convolve2d(x, w, plan), direct(x, w))


def test_the_bound_is_needed():
    """One more than the modulus holds really wraps: the bound check guards something."""
    w = np.array([[[[8]]], [[[-9]]]])
    plan = choose(w, 0, 1, height=4, width=4, moduli=(4, 8))
    small = choose(np.array([[[[8]]], [[[-8]]]]), 0, 1, height=4, width=4, moduli=(4,), length=4)
    x = np.ones((1, 1, 4, 4), int)
    assert convolve2d(x, w, plan).min() == -9
    assert convolve2d(x, w, small).min() != -9


def test_true_bound_saves_bits():
    w = np.array([[[[100, -100], [27, 0]]]])
    assert output_range(w, 0, 255) == (-25500, 32385)
    assert symmetric_bound(w, 0, 255) == 227 * 255
    assert choose(w, 0, 255, height=4, width=4, moduli=(16,)).widths == (16,)


W = np.full((4, 4, 5, 5), 127)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"moduli": (16,)}, ["[0, 3238500]", "2^16+1", "would do"]),
        ({"moduli": (32,), "length": 4}, ["5 taps", "4 points"]),
        ({"moduli": (32,), "length": 24}, ["order 24"]),
        ({"moduli": (4, 8, 16), "length": 32}, ["order 32"]),
        ({"moduli": (2,)}, ["2^2+1"]),
        ({"moduli": (1,)}, ["2..64", "1"]),
        ({"moduli": (65,)}, ["2..64", "65"]),
        ({"moduli": (8, 24)}, ["coprime"]),
        ({"spectra": "stored", "memory_bits": 1000}, ["spectra", "1000", "on the fly"]),
        ({"spectra": "perhaps"}, ["perhaps"]),
        ({"pad": (0, 0, -1, 0)}, ["padding"]),
        ({"height": 4}, ["larger than"]),
        ({"group": 3}, ["groups"]),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(InputError) as caught:
        choose(W, 0, 255, **{"height": 16, "width": 16, **arguments})
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_a_kernel_longer_than_any_transform():
    with pytest.raises(InputError, match="129 taps"):
        choose(np.ones((1, 1, 129, 129), int), 0, 1, height=200, width=200)


def test_a_plan_of_another_layer():
    plan = choose(W, 0, 1, height=16, width=16)
    with pytest.raises(InputError, match="another layer"):
        convolve2d(np.zeros((1, 4, 32, 32), int), W, plan)
    with pytest.raises(InputError, match="do not fit weights"):
        convolve2d(np.zeros((1, 3, 16, 16), int), W, plan)
