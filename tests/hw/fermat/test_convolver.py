"""The convolver against a direct int64 convolution: beats, stalls, stated latency and cycles."""

import numpy as np
import pytest

from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.fermat.convolver_plan import products_allowed
from fermatnet.hw.rtl.words import range_shape
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.block_memory import block_rams, circle_rams
from fermatnet.model.fermat.plan import Geometry, choose

from .streaming import stream


def direct(x, w, stride, pad, dilation, group):
    """The definition, one output at a time."""
    n, _, height, width = x.shape
    o, per, kh, kw = w.shape
    top, left, bottom, right = pad
    rows = range(-top, height + bottom - (kh - 1) * dilation[0], stride[0])
    columns = range(-left, width + right - (kw - 1) * dilation[1], stride[1])
    y = np.zeros((n, o, len(rows), len(columns)), np.int64)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            for ky in range(kh):
                for kx in range(kw):
                    r, c = row + ky * dilation[0], column + kx * dilation[1]
                    if 0 <= r < height and 0 <= c < width:
                        for k in range(o):
                            first = k // (o // group) * per
                            y[:, k, i, j] += x[:, first : first + per, r, c] @ w[k, :, ky, kx]
    return y


CASES = {
    # outputs, channels, kernel, height, width, lo, hi, then options; products, lanes in, lanes out
    "one tile": dict(o=4, c=1, k=(3, 3), size=(6, 6), x=(0, 15), moduli=(16,), length=8, products=2),
    "tiles and residues": dict(
        o=4,
        c=2,
        k=(3, 3),
        size=(4, 5),
        x=(0, 255),
        pad=(1, 0, 0, 1),
        moduli=(8, 16),
        length=4,
        products=2,
        lanes=(2, 2),
    ),
    "stride and groups": dict(
        o=4,
        c=4,
        k=(3, 3),
        size=(5, 6),
        x=(-128, 127),
        stride=(2, 2),
        pad=(1, 1, 1, 1),
        group=2,
        products=2,
        lanes=(2, 2),
    ),
    "computed spectra": dict(
        o=2,
        c=2,
        k=(2, 3),
        size=(5, 5),
        x=(-8, 7),
        moduli=(4, 8),
        length=4,
        spectra="computed",
        lanes=(1, 2),
        w=16,
    ),
    "dilation, rectangular": dict(
        o=3, c=3, k=(1, 2), size=(4, 9), x=(0, 3), dilation=(1, 3), products=3, lanes=(3, 1)
    ),
    "one pixel": dict(o=2, c=1, k=(4, 4), size=(1, 1), x=(0, 15), pad=(3, 3, 0, 0), moduli=(16,), length=4),
    "short bands": dict(
        o=4, c=1, k=(3, 3), size=(5, 5), x=(-4, 3), moduli=(12,), products=4, lanes=(1, 4), w=4
    ),
}


SPARE = dict(o=16, c=16, k=(3, 3), size=(4, 4), x=(0, 3), moduli=(16,), length=4, spectra="computed")


def build(case, seed=0, n=3):
    rng = np.random.default_rng(seed)
    top = case.get("w", 128)
    how = {key: case[key] for key in ("stride", "pad", "dilation", "group") if key in case}
    full = {"stride": (1, 1), "pad": (0, 0, 0, 0), "dilation": (1, 1), "group": 1, **how}
    w = rng.integers(-top, top, (case["o"], case["c"] // full["group"], *case["k"]))
    lo, hi = case["x"]
    x = rng.integers(lo, hi + 1, (n, case["c"], *case["size"]))
    plan = choose(
        w,
        lo,
        hi,
        **how,
        height=case["size"][0],
        width=case["size"][1],
        moduli=case.get("moduli", ()),
        length=case.get("length", 0),
        spectra=case.get("spectra", "auto"),
    )
    lanes_in, lanes_out = case.get("lanes", (1, 1))
    block = Convolver(
        w,
        lo,
        hi,
        Geometry(*case["size"], case["k"], full["stride"], full["pad"], full["dilation"]),
        group=full["group"],
        plan=plan,
        products=case.get("products", 1),
        lanes_in=lanes_in,
        lanes_out=lanes_out,
    )
    y = direct(x, w, **full)
    return (
        block,
        x.transpose(0, 2, 3, 1).reshape(-1, lanes_in),
        y.transpose(0, 2, 3, 1).reshape(-1, lanes_out),
    )


@pytest.mark.parametrize("name", CASES)
def test_unstalled(name):
    """Values, latency and cycles per image are exactly what the block says."""
    images = 4 if name == "short bands" else 3
    block, beats, expected = build(CASES[name], n=images)
    out, times = stream(block, beats, len(expected))
    assert np.array_equal(out, expected)
    ends = np.array(times).reshape(images, -1)[:, -1]
    assert times[0] == block.latency
    if name != "short bands":  # whose bands overlap by turns: the mean is stated
        assert ends[-1] - ends[-2] == block.cycles


@pytest.mark.parametrize("name", ["tiles and residues", "stride and groups"])
@pytest.mark.parametrize("seed", [1])
def test_stalled(name, seed):
    block, beats, expected = build(CASES[name], seed, n=2)
    out, _ = stream(block, beats, len(expected), seed=seed)
    assert np.array_equal(out, expected)


def test_words_in_spare_bits():
    """2304 weights of 8 bits take one block in place of two, read in a circle twice under stalls."""
    block, beats, expected = build(SPARE, n=2)
    assert circle_rams(8, 16 * 16 * 9) == (1, 8) and block_rams(8, 16 * 16 * 9) == 2
    out, _ = stream(block, beats, len(expected), seed=1)
    assert block.reader.rom.group == 8
    assert np.array_equal(out, expected)


def test_range_shape():
    assert [range_shape(*r).width for r in ((0, 255), (-128, 127), (-1, 128), (0, 0), (-3, 0))] == [
        8,
        8,
        9,
        1,
        3,
    ]
    assert range_shape(-1, 0).signed and not range_shape(0, 7).signed


def test_products_allowed():
    assert products_allowed(16, 1, 1, 1) == [1, 2, 4, 8, 16]
    assert products_allowed(6, 1, 1, 2) == [1, 2, 6]
    for p in products_allowed(6, 1, 1, 2):
        Convolver(np.ones((6, 1, 3, 3), int), 0, 1, Geometry(5, 5, (3, 3)), lanes_out=2, products=p)


W = np.ones((4, 2, 3, 3), np.int64)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"products": 3}, "products must divide 4"),
        ({"lanes_in": 3}, "lanes_in must divide 2"),
        ({"lanes_out": 0}, "lanes_out must divide 4"),
        ({"geometry": Geometry(9, 9, (3, 5))}, r"kernel is \(3, 5\), that of the weights \(3, 3\)"),
        ({"plan": choose(W, 0, 255, height=99, width=12)}, "another layer"),
        ({"plan": choose(np.zeros_like(W), 0, 1, height=9, width=9, moduli=(4,))}, "exceed the 17 values"),
    ],
)
def test_bad_input(options, words):
    with pytest.raises(InputError, match=words):
        Convolver(W, 0, 255, **{"geometry": Geometry(9, 9, (3, 3)), **options})
