"""Images to beats and back."""

import numpy as np
import pytest

from fermatnet.sim.packing import field_bits, pack, unpack


def by_hand(images, lanes, bits):
    """The beats as integers, from the words of the convention."""
    field = -(-bits // 8) * 8
    beats = []
    for image in images:
        channels, height, width = image.shape
        for y in range(height):
            for x in range(width):
                for first in range(0, channels, lanes):
                    word = 0
                    for lane in range(lanes):
                        word |= (int(image[first + lane, y, x]) % (1 << field)) << (field * lane)
                    beats.append(word)
    return beats


@pytest.mark.parametrize("bits", [1, 8, 9, 20, 33, 64, 70])
@pytest.mark.parametrize("lanes", [1, 2, 6])
def test_pack_and_unpack(bits, lanes):
    low, high = -(1 << min(62, bits - 1)), (1 << min(62, bits - 1)) - 1
    images = np.random.default_rng(bits).integers(low, high, (3, 6, 2, 4), endpoint=True)
    images.reshape(-1)[:2] = low, high
    beats = pack(images, lanes, bits)
    assert beats.shape == (3 * 2 * 4 * 6 // lanes, lanes * field_bits(bits) // 8)
    assert [int.from_bytes(beat.tobytes(), "little") for beat in beats] == by_hand(images, lanes, bits)
    assert np.array_equal(unpack(beats, (6, 2, 4), lanes, bits, True), images)


def test_unsigned():
    images = np.arange(256, dtype=np.uint8).reshape(1, 4, 8, 8)
    assert np.array_equal(unpack(pack(images, 4, 8), (4, 8, 8), 4, 8, False), images)


def test_a_value_outside_its_bits_is_refused():
    with pytest.raises(ValueError, match="5 signed bits"):
        unpack(pack(np.full((1, 1, 1, 1), 16), 1, 5), (1, 1, 1), 1, 5, True)
