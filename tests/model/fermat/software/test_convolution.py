"""The software convolution against direct sums: forward, every backend, every set of moduli, the ends of the
ranges, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import build as software_build
from fermatnet.model.fermat.software import compiled as software_compiled
from fermatnet.model.fermat.software import convolution as software_convolution
from fermatnet.model.fermat.software.convolution import convolve
from tests.model.fermat.software.sums import BACKENDS, sums

LIMITS = {np.int8: (-128, 127), np.uint8: (0, 255), np.int16: (-32768, 32767)}


@st.composite
def layers(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (3, 1), (2, 3)]))
    size = tuple(draw(st.integers(max(1, k - 2 * p), 24)) for k, p in zip(kernel, padding, strict=True))
    low, high = draw(
        st.sampled_from([(-1, 1), (-8, 7), (0, 255), (-128, 127), (-2000, 2000), (-32768, 32767)])
    )
    kind = draw(
        st.sampled_from(
            [np.int64, np.int32, np.int16]
            + ([np.int8] if (low, high) in ((-1, 1), (-8, 7), (-128, 127)) else [])
        )
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    channels, outputs = groups * draw(st.integers(1, 9)), groups * draw(st.integers(1, 18))
    x = (
        random.integers(low, high + 1, (draw(st.integers(1, 3)), channels, *size))
        .clip(np.iinfo(kind).min, np.iinfo(kind).max)
        .astype(kind)
    )
    w = (
        random.integers(-high - 1, high + 1, (outputs, channels // groups, *kernel))
        .clip(-32768, 32767)
        .astype(np.int32)
    )
    return x, w, stride, padding, groups


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60, deadline=None)
@given(
    layer=layers(),
    method=st.sampled_from(["auto", "fermat", "direct"]),
    threads=st.integers(1, 2),
    memory=st.sampled_from([1 << 30, 1 << 21]),
    shallow=st.sampled_from([0, 16]),
)
def test_equals_direct_sums(backend, layer, method, threads, memory, shallow):
    x, w, stride, padding, groups = layer
    # product and inverse in two steps, or in one
    usual, software_compiled.SHALLOW = software_compiled.SHALLOW, shallow
    try:
        got = convolve(
            x, w, stride, padding, groups, backend=backend, method=method, threads=threads, memory=memory
        )
    except InputError as error:
        assert "too little for one tile" in str(error) and memory == 1 << 21
        return
    finally:
        software_compiled.SHALLOW = usual
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, sums(*layer))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("ends", ["low", "high", "mixed"])
def test_extreme_values(backend, kind, ends):
    low, high = LIMITS[kind]
    shape = (2, 70, 11, 9)
    x = {
        "low": np.full(shape, low),
        "high": np.full(shape, high),
        "mixed": np.where(np.indices(shape).sum(0) % 2, low, high),
    }[ends].astype(kind)
    for value in (-32768, 32767):
        w = np.full((5, 70, 5, 5), value, np.int16)
        np.testing.assert_array_equal(
            convolve(x, w, 1, 2, backend=backend, method="fermat"), sums(x, w, (1, 1), (2, 2))
        )


@pytest.mark.skipif("compiled" not in BACKENDS, reason="no C++ compiler here")
@pytest.mark.parametrize("tap", [1, 2, 128, 181, 16384, -16384])
def test_weights_whose_spectra_hit_the_one_residue_without_an_int16(tap):
    # a single tap 2**k has spectrum values 2**15 modulo F_4 at many points, so whole channels must be
    # repeated in the product
    w = np.zeros((18, 5, 3, 3), np.int16)
    w[::2, ::2, 1, 2] = tap
    w[1::3, 3, 0, 0] = -tap
    x = np.random.default_rng(1).integers(-1, 2, (2, 5, 9, 9)).astype(np.int8)
    for length in (8, 16, 32):
        got = convolve(
            x,
            w,
            1,
            1,
            moduli=(4,) if abs(tap) < 1000 else (4, 5),
            length=length,
            backend="compiled",
            method="fermat",
            cache=False,
        )
        np.testing.assert_array_equal(got, sums(x, w, (1, 1), (1, 1)))


def test_depthwise_layers_take_loops_for_all_groups_at_once():
    random = np.random.default_rng(8)
    x, w = (
        random.integers(-128, 128, (2, 24, 19, 37)).astype(np.int8),
        random.integers(-128, 128, (48, 1, 3, 5)).astype(np.int8),
    )
    for kind in (np.int32, np.int64):
        profile = {}
        got = convolve(x, w, 1, (1, 2), 24, dtype=kind, profile=profile)
        assert got.dtype == kind and (
            "compiled" not in BACKENDS or [plan.method for plan in profile["plans"]] == ["direct"]
        )
        np.testing.assert_array_equal(got, sums(x, w, (1, 1), (1, 2), 24))
    # sums of 2**31 need the loops in 64 bits, and are refused as int32
    x, w = np.full((1, 2, 8, 40), -(2**15), np.int16), np.full((2, 1, 1, 2), -(2**15), np.int16)
    np.testing.assert_array_equal(convolve(x, w, groups=2, method="auto"), np.full((1, 2, 8, 39), 2**31))
    with pytest.raises(InputError, match="results up to 2147483648 do not fit int32: use int64"):
        convolve(x, w, groups=2, dtype=np.int32)


def test_large_image_is_tiled_and_memory_is_bounded():
    random = np.random.default_rng(2)
    x = random.integers(0, 256, (1, 3, 150, 211)).astype(np.uint8)
    w = random.integers(-128, 128, (20, 3, 7, 3)).astype(np.int8)
    profile = {}
    got = convolve(x, w, 1, (3, 1), memory=1 << 20, method="fermat", profile=profile)
    np.testing.assert_array_equal(got, sums(x, w, (1, 1), (3, 1)))
    assert profile["plans"][0].tiles[1] > 1
    if "compiled" in BACKENDS:  # the array backend rounds up to one image
        with pytest.raises(InputError, match=r"memory=1000 bytes is too little for one tile: \d+ would do"):
            convolve(x, w, memory=1000, method="fermat", backend="compiled")


def test_kernels_longer_than_a_transform():
    random = np.random.default_rng(3)
    x, w = random.integers(-9, 10, (2, 2, 50, 80)), random.integers(-9, 10, (3, 2, 40, 66))
    np.testing.assert_array_equal(convolve(x, w, (1, 2), (2, 0)), sums(x, w, (1, 2), (2, 0)))


def test_views_of_any_strides():
    random = np.random.default_rng(4)
    x = random.integers(-9, 10, (12, 30, 10, 2)).astype(np.int16).transpose(3, 2, 0, 1)[:, ::-1, ::2]
    w = random.integers(-9, 10, (3, 4, 10, 5)).transpose(3, 2, 0, 1)[:, :, ::-1]
    np.testing.assert_array_equal(convolve(x, w, method="fermat"), sums(x, w))


def test_changed_weights_are_never_taken_from_the_cache():
    x = np.arange(2 * 8 * 8).reshape(1, 2, 8, 8).astype(np.int16)
    w = np.ones((2, 2, 3, 3), np.int64)
    convolve(x, w, method="fermat")
    w[1, 1, 2, 2] = 5  # in place: same address, same object
    np.testing.assert_array_equal(convolve(x, w, method="fermat"), sums(x, w))


def test_cache_keeps_within_its_limit():
    cache = software_convolution.spectra_cache
    software_convolution.clear_cache()
    before, cache.limit = cache.limit, 200_000
    try:
        for seed in range(5):
            random = np.random.default_rng(seed)
            convolve(
                random.integers(-3, 4, (1, 8, 12, 12)), random.integers(-3, 4, (16, 8, 3, 3)), method="fermat"
            )
            assert cache.nbytes <= 200_000
    finally:
        cache.limit = before


@pytest.mark.parametrize("backend", BACKENDS)
def test_sums_beyond_float64_where_its_convolution_and_fft_err_and_ours_cannot(backend):
    random = np.random.default_rng(9)
    x = random.integers(-(2**21), 2**21, (2, 3, 12, 12))
    w = random.integers(2**27, 2**28, (5, 3, 5, 5)) * random.choice([-1, 1], (5, 3, 1, 1))
    x[:, :, :5, :5] = 2**21 - 1  # reaches the bound, in both signs
    x[:, :, 6:11, 6:11] = -(2**21)
    exact = np.zeros((2, 5, 8, 8), object)
    for u in range(5):
        for v in range(5):
            exact += np.einsum(
                "ncyx,oc->noyx", x[:, :, u : u + 8, v : v + 8].astype(object), w[:, :, u, v].astype(object)
            )
    assert max(abs(v) for v in exact.flat) > 2**53
    profile = {}
    got = convolve(x, w, method="fermat", backend=backend, profile=profile)
    assert (got.astype(object) == exact).all()
    # the proof: the interval holds every sum and lies strictly within half the modulus, so the residue
    # determines the sum
    plan = profile["plans"][0]
    assert (
        plan.low <= min(exact.flat)
        and max(exact.flat) <= plan.high
        and max(-plan.low, plan.high) < plan.modulus // 2
    )
    spectrum = (
        np.fft.rfft2(x.astype(float), (16, 16))[:, None]
        * np.fft.rfft2(w.astype(float), (16, 16)).conj()[None]
    )
    fft = np.rint(np.fft.irfft2(spectrum.sum(2), (16, 16))[:, :, :8, :8]).astype(np.int64)
    assert (fft != got).any()
    loops = np.zeros(got.shape)
    for u in range(5):
        for v in range(5):
            loops += np.einsum(
                "ncyx,oc->noyx", x[:, :, u : u + 8, v : v + 8].astype(float), w[:, :, u, v].astype(float)
            )
    assert (loops.astype(np.int64) != got).any()


BAD = [
    (lambda x, w: convolve(x.astype(np.float32), w), r"x must hold integers .*, not float32"),
    (lambda x, w: convolve(x, w.astype(bool)), r"w must hold integers .*, not bool"),
    (lambda x, w: convolve(x[0], w), r"x must have 4 axes \(n, C, H, W\), not shape \(4, 9, 9\)"),
    (lambda x, w: convolve(x[:0], w), r"x is empty: shape \(0, 4, 9, 9\)"),
    (lambda x, w: convolve(x, w[:, :3]), r"channels do not match: x has 4, w takes 3 in each of 1 group"),
    (
        lambda x, w: convolve(x, w, groups=3),
        r"groups must divide the input's 4 and the output's 6 channels, not 3",
    ),
    (lambda x, w: convolve(x[:, :, :2], w), r"a 3x3 kernel is larger than the padded 2x9 image"),
    (
        lambda x, w: convolve(x, w, stride=0),
        r"stride must be an integer of at least 1, or two of them, not 0",
    ),
    (lambda x, w: convolve(x, w, padding=(1, 2, 3)), r"padding must be an integer of at least 0"),
    (lambda x, w: convolve(x, w, threads=0), r"threads must be a positive integer, not 0"),
    (lambda x, w: convolve(x, w, backend="fast"), r"backend must be auto, compiled or numpy, not 'fast'"),
    (lambda x, w: convolve(x, w, method="fast"), r"method must be auto, fermat or direct, not 'fast'"),
    (lambda x, w: convolve(x, w, moduli=(6,)), r"moduli must be one of .*, not \(6,\)"),
    (lambda x, w: convolve(x, w, length=12), r"length must be one of .*, not 12"),
    (lambda x, w: convolve(x, w, x_range=(0, 1)), r"x lies in \[-?\d+, \d+\], outside x_range \(0, 1\)"),
    (lambda x, w: convolve(x, w, dtype=np.int16), r"dtype must be int64 or int32, not int16"),
    (
        lambda x, w: convolve(x * 2**50, w * 2**20),
        r"results up to \d+ \(2\^\d+.\d\) may overflow: F_3, F_4 and F_5 together hold \d+",
    ),
    (
        lambda x, w: convolve(x * 2**20, w * 2**20, dtype=np.int32),
        r"results up to \d+ do not fit int32: use int64",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_one_clear_line(call, message):
    random = np.random.default_rng(5)
    x, w = random.integers(-3, 4, (2, 4, 9, 9)), random.integers(-3, 4, (6, 4, 3, 3))
    with pytest.raises(InputError, match=message) as caught:
        call(x, w)
    assert "\n" not in str(caught.value)


def test_without_a_compiler_numpy_takes_over(monkeypatch):
    monkeypatch.setattr(software_build, "_load", lambda: (None, "no C++ compiler: install g++ (or set CXX)"))
    x, w = np.arange(50).reshape(1, 2, 5, 5), np.arange(-18, 18).reshape(2, 2, 3, 3)
    np.testing.assert_array_equal(convolve(x, w), sums(x, w))
    with pytest.raises(InputError, match="compiled backend cannot be built here: no C\\+\\+ compiler"):
        convolve(x, w, backend="compiled")
