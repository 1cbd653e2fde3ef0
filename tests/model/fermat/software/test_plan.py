"""Plans of the software convolution: never beyond a system's bound, priced, explained."""

from math import isqrt

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import compiled as software_compiled
from fermatnet.model.fermat.software import convolution as software_convolution
from fermatnet.model.fermat.software.codegen import BITS
from fermatnet.model.fermat.software.convolution import convolve
from fermatnet.model.fermat.software.moduli import MODULI, modulus
from fermatnet.model.fermat.software.plan import choose
from fermatnet.model.fermat.software.pricing import COSTS, fermat_stages
from tests.model.fermat.software.sums import BACKENDS, sums


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", [4, 8, 16, 32, 64])
@pytest.mark.parametrize("moduli", MODULI)
@pytest.mark.parametrize("shallow", [0, 16])
def test_each_system_and_length_at_the_edge_of_its_range(backend, moduli, length, shallow, monkeypatch):
    monkeypatch.setattr(software_compiled, "SHALLOW", shallow)
    if length > 4 * BITS[min(moduli)]:
        with pytest.raises(InputError, match="fits a 3x3 kernel at length"):
            convolve(
                np.ones((1, 1, 5, 5), np.int8),
                np.ones((1, 1, 3, 3), np.int8),
                moduli=moduli,
                length=length,
                backend=backend,
            )
        return
    reach = modulus(moduli) // 2 - 1
    random = np.random.default_rng(length)
    # results from one end of what this system holds to the other: 18 products of the largest entries, the
    # signs aligned in some outputs
    size = min(isqrt(reach // 18), 2**31 - 1) if reach > 18 * 2**30 else min(reach // 18, 32767)
    top = max(1, reach // (18 * size))
    x = random.choice(np.array([-size, 0, size]), (3, 2, 9, 13))
    x[0], x[1] = size, -size
    w = random.choice(np.array([-top, top]), (3, 2, 3, 3))
    w[0], w[1] = top, -top
    bounds = (int(x.min()), int(x.max()))
    got = convolve(x, w, 1, 1, moduli=moduli, length=length, backend=backend, method="fermat", x_range=bounds)
    np.testing.assert_array_equal(got, sums(x, w, (1, 1), (1, 1)))
    assert got.max() == -got.min() == 18 * size * top > 0.93 * reach


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("channels", [1, 3, 16])
def test_one_wide_modulus_for_few_channels(backend, channels):
    random = np.random.default_rng(channels)
    x = random.integers(-(2**15), 2**15, (3, channels, 19, 22)).astype(np.int16)
    w = random.integers(-(2**15), 2**15, (20, channels, 11, 5)).astype(np.int16)
    x[0], w[:2] = -(2**15), -(2**15)
    for length in (16, 32, 64):
        got = convolve(x, w, 1, (5, 2), moduli=(48,), length=length, backend=backend)
        np.testing.assert_array_equal(got, sums(x, w, (1, 1), (5, 2)))
    plan = choose((16, 3, 96, 11, 11, 22, 22), -(2**38), 2**38, method="fermat")
    assert plan.moduli == (48,) and "modulo 2^48+1: exact up to 140737488355327" in plan.explain()
    with pytest.raises(InputError, match=r"2\^48\+1 is there for up to 16 channels, not 17"):
        choose((16, 17, 96, 11, 11, 22, 22), -(2**38), 2**38, moduli=(48,))


def test_never_wraps_at_the_bound_of_a_system():
    # 128 * 256 = 2**15 is one too much for F_4 = 65537, 128 * 255 fits: the plan must step up exactly there
    w = np.full((1, 1, 1, 1), 128, np.int64)
    for top, moduli in ((255, (4,)), (256, (3, 4))):
        x, profile = np.full((1, 1, 4, 4), top, np.int64), {}
        got = convolve(x, w, x_range=(0, top), method="fermat", profile=profile)
        assert (got == 128 * top).all()
        reach = modulus(profile["plans"][0].moduli) // 2
        assert 128 * top < reach and (moduli != (4,) or 128 * top < 32768)
    with pytest.raises(
        InputError, match=r"results up to 32768 do not fit F_4 \(at most 32767\): F_3, F_4 would do"
    ):
        convolve(np.full((1, 1, 4, 4), 256), w, x_range=(0, 256), method="fermat", moduli=(4,))


def test_explains_itself():
    x, w = np.full((4, 8, 20, 20), 3, np.int8), np.full((16, 8, 5, 5), -2, np.int8)
    text = software_convolution.explain(x, w, 1, 2, method="fermat")
    assert (
        "every result lies in [-1200, 0]" in text
        and "modulo F_4 = 2^16+1" in text
        and "overlap-save" in text
        and "rejected" in text
    )
    assert "phases" in software_convolution.explain(x, w, 2, 2)


def test_a_plan_whose_weight_spectra_cannot_be_kept_pays_for_them():
    stages = fermat_stages(COSTS, (5,), (64, 64), 4, 96, 256, (7, 7))
    assert stages["weights"] > stages["product"]
    assert choose((4, 96, 256, 7, 7, 58, 58), -(2**26), 2**26).points != (64, 64)
