"""Samples of every input type as beats, and refusals of those that a design does not take."""

import json

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.sim import packing
from fermatnet.sim.stimulus import checked_images, write_stimulus

PORT = {"shape": [3, 1, 1], "dims": [3], "dtype": "int16", "range": [-500, 500]}


@pytest.mark.parametrize(("dtype", "bits"), [("int8", 8), ("uint8", 8), ("int16", 16), ("uint16", 16)])
def test_both_ends_of_every_type_travel(dtype, bits, tmp_path):
    ends = np.iinfo(dtype)
    samples = np.array([[ends.min, ends.max, 0], [1, ends.min, ends.max]], dtype)
    signed = dtype.startswith("int")
    port = {
        **PORT,
        "dtype": dtype,
        "range": [int(ends.min), int(ends.max)],
        "lanes": 3,
        "element_bits": bits,
        "beats_per_image": 1,
        "tdata_bits": 3 * bits,
    }
    interface = {"input": port, "output": port, "cycles_per_image": 1, "latency_cycles": 1}
    write_stimulus(tmp_path, interface, checked_images(samples, port), None, 0)
    lines = (tmp_path / "stimulus.hex").read_text().split()
    beats = np.frombuffer(bytes.fromhex("".join(lines)), np.uint8).reshape(2, -1)[:, ::-1]
    values = packing.unpack(np.ascontiguousarray(beats), (3, 1, 1), 3, bits, signed)
    np.testing.assert_array_equal(values.reshape(2, 3), samples)
    assert json.loads((tmp_path / "settings.json").read_text())["beats_in"] == 2


def test_vectors_and_maps_of_one_pixel_are_the_same():
    vector = np.array([[-500, 0, 500]], np.int16)
    np.testing.assert_array_equal(checked_images(vector, PORT), checked_images(vector[..., None, None], PORT))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((1, 3), np.int8), "must be int16, not int8"),
        (np.zeros((1, 4), np.int16), r"must have shape \(n, 3\)"),
        (np.full((1, 3), -501, np.int16), r"must lie within -500\.\.500, not -501"),
    ],
)
def test_what_does_not_fit_is_refused(samples, words):
    with pytest.raises(InputError, match=words):
        checked_images(samples, PORT)
