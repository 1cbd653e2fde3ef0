"""Sliding windows against slices of the padded array: every geometry, with and without stalls, cycles
exact."""

import gc

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned

from fermatnet.hw.stream.window import SlidingWindow
from fermatnet.model.errors import InputError


def windows(x, kernel, stride, pad, dilation, lanes, repeats, groups, pad_value):
    """The same beats by slicing: (n, C, H, W) -> list of lists of lanes."""
    top, left, bottom, right = pad
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad_value)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    beats = []
    for image in x:
        for y in range(0, image.shape[1] - reach[0] + 1, stride[0]):
            for column in range(0, image.shape[2] - reach[1] + 1, stride[1]):
                patch = image[:, y : y + reach[0] : dilation[0], column : column + reach[1] : dilation[1]]
                for part in np.split(patch, groups):
                    beats += part.transpose(1, 2, 0).reshape(-1, lanes).tolist() * repeats
    return beats


GEOMETRIES = [
    # kernel, stride, pad, dilation, (channels, height, width), lanes, repeats, groups
    ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (4, 5, 6), 2, 2, 1),
    ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (2, 7, 6), 2, 1, 1),
    ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), (6, 3, 4), 3, 4, 1),
    ((1, 1), (2, 2), (0, 0, 0, 0), (1, 1), (2, 5, 4), 1, 2, 1),
    ((5, 5), (1, 1), (2, 2, 2, 2), (1, 1), (1, 8, 8), 1, 1, 1),
    ((3, 3), (1, 1), (2, 2, 2, 2), (2, 2), (2, 6, 5), 1, 1, 2),
    ((2, 2), (2, 2), (0, 0, 0, 0), (1, 1), (4, 4, 6), 2, 1, 2),
    ((3, 2), (2, 1), (0, 1, 1, 0), (1, 2), (4, 6, 5), 1, 2, 2),
    ((3, 1), (3, 3), (2, 0, 2, 0), (1, 2), (2, 5, 6), 1, 1, 1),
    ((4, 3), (1, 1), (0, 0, 0, 0), (1, 1), (1, 4, 3), 1, 3, 1),
    ((2, 3), (1, 1), (1, 4, 1, 2), (1, 2), (4, 1, 2), 2, 2, 2),
    ((3, 1), (1, 1), (1, 0, 1, 0), (1, 1), (2, 5, 1), 2, 2, 1),  # a row ends in each cycle
]


@pytest.mark.parametrize("case", range(len(GEOMETRIES)))
def test_every_geometry_with_and_without_stalls(streams, case):
    kernel, stride, pad, dilation, (channels, height, width), lanes, repeats, groups = GEOMETRIES[case]
    rng = np.random.default_rng(case)
    x = rng.integers(-32, 32, (3, channels, height, width))
    expected = windows(x, kernel, stride, pad, dilation, lanes, repeats, groups, -5)
    feed = x.transpose(0, 2, 3, 1).reshape(-1, lanes).tolist()
    for seed in (None, case):
        dut = SlidingWindow(
            signed(6),
            channels,
            height,
            width,
            kernel=kernel,
            stride=stride,
            pad=pad,
            dilation=dilation,
            lanes=lanes,
            repeats=repeats,
            groups=groups,
            pad_value=-5,
        )
        got, times = streams(dut, {"i": feed}, {"o": len(expected)}, seed=seed)
        assert got["o"] == expected, f"seed {seed}"
        if seed is None:
            per_image = len(expected) // 3
            assert dut.cycles == per_image
            assert times["o"][2 * per_image] - times["o"][per_image] == max(dut.cycles, dut.beats_in)


def test_back_to_back_and_latency(streams):
    """Once it has started, a reader that is slower than the writer emits one beat in every cycle, across
    images."""
    dut = SlidingWindow(
        unsigned(3), 4, 5, 6, kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1), lanes=2, repeats=3
    )
    x = np.random.default_rng(1).integers(0, 8, (4, 4, 5, 6))
    _, times = streams(dut, {"i": x.transpose(0, 2, 3, 1).reshape(-1, 2).tolist()}, {"o": 4 * dut.cycles})
    assert times["o"] == list(range(times["o"][0], times["o"][0] + 4 * dut.cycles))
    needed = (6 + 2) * 2 - 1  # first window: two pixels of the second row
    assert times["o"][0] - times["i"][needed] == dut.latency


@pytest.mark.parametrize("kernel, needed", [((1, 4), 4), ((3, 4), 12), ((3, 3), 11)])
def test_a_window_that_ends_with_its_row_is_as_fast(streams, kernel, needed):
    """A row that has ended is counted a cycle later, which costs none."""
    dut = SlidingWindow(unsigned(3), 1, 5, 4, kernel=kernel, lanes=1)
    beats = np.random.default_rng(3).integers(0, 8, (20, 1)).tolist()
    _, times = streams(dut, {"i": beats}, {"o": dut.cycles})
    assert times["o"][0] - times["i"][needed - 1] == dut.latency


def test_a_ring_one_row_smaller_costs_cycles(streams):
    x = np.random.default_rng(2).integers(0, 8, (4, 1, 6, 6))
    measured = {}
    for less in (0, 1):
        dut = SlidingWindow(
            unsigned(3), 1, 6, 6, kernel=(3, 3), pad=(1, 1, 1, 1), lanes=1, repeats=1, rows=4 - less
        )
        _, times = streams(dut, {"i": x.transpose(0, 2, 3, 1).reshape(-1, 1).tolist()}, {"o": 4 * dut.cycles})
        measured[less] = times["o"][3 * dut.cycles] - times["o"][2 * dut.cycles]
    assert measured[0] == 6 * 6 * 9
    assert measured[1] > measured[0]


def test_a_ring_of_several_images(streams):
    """The writer, nine times as fast as the reader, is images ahead."""
    x = np.random.default_rng(3).integers(0, 8, (8, 1, 6, 6))
    geometry = {"kernel": (3, 3), "pad": (1, 1, 1, 1), "lanes": 1}
    dut = SlidingWindow(unsigned(3), 1, 6, 6, rows=4 * 6, **geometry)
    expected = windows(x, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 1, 1, 0)
    feed = x.transpose(0, 2, 3, 1).reshape(-1, 1).tolist()
    outputs, times = streams(dut, {"i": feed}, {"o": len(expected)})
    assert outputs["o"] == expected
    assert times["o"][-1] - times["o"][0] == len(expected) - 1  # without a pause


@pytest.mark.filterwarnings("ignore::amaranth.UnusedElaboratable")
@pytest.mark.parametrize(
    "change, message",
    [
        ({"lanes": 3}, "do not divide"),
        ({"pad": (3, 1, 1, 1)}, "padding"),
        ({"height": 0, "width": 0, "pad": (0, 0, 0, 0)}, "does not fit"),
        ({"stride": (0, 1)}, "at least 1"),
        ({"rows": 2}, "a ring of 2 rows, a window reads 3"),
        ({"rows": 4, "dilation": (2, 1)}, "a ring of 4 rows, a window reads 5"),
    ],
)
def test_refusals(change, message):
    arguments = {
        "channels": 4,
        "height": 5,
        "width": 5,
        "kernel": (3, 3),
        "pad": (1, 1, 1, 1),
        "lanes": 2,
        **change,
    }
    with pytest.raises(InputError, match=message):
        SlidingWindow(unsigned(3), **arguments)
    gc.collect()  # the half-made block must not warn later
