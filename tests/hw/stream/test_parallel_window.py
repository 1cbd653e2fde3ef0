"""Windows that come whole against slices of the padded array: every geometry, stalls, one window a cycle."""

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned

from fermatnet.hw.stream.parallel_window import ParallelWindow
from fermatnet.model.errors import InputError

GEOMETRIES = [
    # kernel, stride, pad, dilation, (channels, height, width), repeats
    ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (2, 5, 6), 1),
    ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (2, 7, 6), 2),
    ((5, 5), (1, 1), (2, 2, 2, 2), (1, 1), (1, 6, 7), 1),
    ((3, 2), (2, 1), (0, 1, 1, 0), (1, 2), (3, 6, 5), 1),
    ((3, 3), (1, 1), (2, 2, 2, 2), (2, 2), (1, 6, 5), 3),
    ((2, 2), (2, 2), (0, 0, 0, 0), (1, 1), (2, 4, 6), 1),
]


def windows(x, kernel, stride, pad, dilation, repeats, pad_value):
    top, left, bottom, right = pad
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad_value)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    beats = []
    for image in x:
        for y in range(0, image.shape[1] - reach[0] + 1, stride[0]):
            for column in range(0, image.shape[2] - reach[1] + 1, stride[1]):
                patch = image[:, y : y + reach[0] : dilation[0], column : column + reach[1] : dilation[1]]
                beats += [patch.transpose(1, 2, 0).ravel().tolist()] * repeats
    return beats


@pytest.mark.parametrize("case", range(len(GEOMETRIES)))
def test_every_geometry_with_and_without_stalls(streams, case):
    kernel, stride, pad, dilation, (channels, height, width), repeats = GEOMETRIES[case]
    x = np.random.default_rng(case).integers(-8, 8, (3, channels, height, width))
    expected = windows(x, kernel, stride, pad, dilation, repeats, -5)
    feed = x.transpose(0, 2, 3, 1).reshape(-1, channels).tolist()
    for seed in (None, case):
        options = {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation, "pad_value": -5}
        dut = ParallelWindow(signed(4), channels, height, width, lanes=channels, repeats=repeats, **options)
        got, times = streams(dut, {"i": feed}, {"o": len(expected)}, seed=seed)
        assert got["o"] == expected, f"seed {seed}"
        if seed is None:
            per_image = len(expected) // 3
            assert dut.cycles == per_image
            assert times["o"][2 * per_image] - times["o"][per_image] == max(dut.cycles, dut.beats_in)


def test_one_window_a_cycle_and_latency(streams):
    """A padded 3x3 window keeps up with a pixel a cycle, across images."""
    dut = ParallelWindow(unsigned(3), 1, 6, 7, kernel=(3, 3), pad=(1, 1, 1, 1), lanes=1)
    x = np.random.default_rng(1).integers(0, 8, (4, 1, 6, 7))
    _, times = streams(dut, {"i": x.transpose(0, 2, 3, 1).reshape(-1, 1).tolist()}, {"o": 4 * dut.cycles})
    assert dut.cycles == 42
    assert times["o"][3 * 42] - times["o"][2 * 42] == 42
    assert times["o"][0] - times["i"][7 + 1] == dut.latency  # two pixels of the second row


def test_half_a_pixel_is_refused():
    with pytest.raises(InputError, match="whole pixels in one group"):
        ParallelWindow(unsigned(3), 4, 6, 6, kernel=(3, 3), lanes=2)
