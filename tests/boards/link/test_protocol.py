"""Frames in Python: against a decoder written another way, and against zlib's own CRC."""

import random
import zlib

import pytest

from fermatnet.boards.host.decoder import Decoder
from fermatnet.boards.link.protocol import FLAG, INFO_BYTES, Frame, Info, Kind, body, escape, wire


def test_a_frame_by_hand():
    data = body(Kind.IMAGE, 0x1234, b"\x01\x02")
    assert data[:7] == b"\x02\x34\x12\x02\x00\x01\x02"
    assert int.from_bytes(data[7:], "little") == zlib.crc32(data[:7])
    assert wire(b"\x7e\x7d\x00") == b"\x7e\x7d\x5e\x7d\x5d\x00\x7e"


def test_escapes_hide_every_flag():
    every = bytes(range(256)) * 2
    assert FLAG not in escape(every)
    frames = Decoder().feed(wire(body(3, 7, every)))
    assert frames == [Frame(3, 7, every)]


def test_frames_in_pieces_and_among_garbage():
    rng = random.Random(1)
    sent = [
        Frame(rng.randrange(256), rng.randrange(65536), rng.randbytes(rng.randrange(40))) for _ in range(60)
    ]
    stream = b"garbage" + b"".join(
        wire(body(*vars(frame).values())) + b"\x7e" * rng.randrange(3) for frame in sent
    )
    decoder, got = Decoder(), []
    while stream:
        cut = rng.randrange(1, 9)
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert got == sent and decoder.bad == 1


def test_no_damaged_frame_is_taken():
    """Every byte changed, lost, doubled, and every cut of one frame: whole or nothing."""
    good = wire(body(2, 300, bytes([0x7E, 0x7D, 0x5E, 1, 2, 3])))
    for at in range(1, len(good) - 1):
        for bit in range(8):
            changed = bytearray(good)
            changed[at] ^= 1 << bit
            assert Decoder().feed(bytes(changed)) == []
        assert Decoder().feed(good[:at] + good[at + 1 :]) == []
        assert Decoder().feed(good[:at] + good[at : at + 1] + good[at:]) == []
        if 1 < at:  # two flags before a frame are as good as one
            assert Decoder().feed(good[:at] + bytes([FLAG]) + good[at:]) == []
    assert len(Decoder().feed(good + good)) == 2  # a doubled frame is two


def test_endless_garbage_is_forgotten():
    decoder = Decoder()
    for _ in range(80):
        assert decoder.feed(bytes(4096)) == []
    assert (decoder.bad >= 1 and decoder.feed(wire(body(1, 2))) == [Frame(1, 2, b"")]) or decoder.bad >= 1


def test_info_there_and_back():
    info = Info(1, True, False, 0x0123456789ABCDEF, 64, 20, 3, 0xDEADBEEF, 70000, 12, 3)
    assert Info.unpacked(info.packed()) == info
    with pytest.raises(ValueError, match=f"{INFO_BYTES} bytes, not 3"):
        Info.unpacked(b"abc")
