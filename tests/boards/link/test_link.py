"""The board's side of the link in Amaranth's simulator, a small network behind it."""

import random
import struct

import pytest

from fermatnet.boards.host.decoder import Decoder
from fermatnet.boards.link.link import LONGEST, LinkPlan
from fermatnet.boards.link.protocol import REPLY, VERSION, Code, Info, Kind, body, wire
from fermatnet.model.errors import InputError

from ..line import Line, Sums, WithNetwork, frame

DIVISOR, BEATS = 4, 12
PLAN = LinkPlan(DIVISOR, 1, BEATS, 2, 2, design=0x0123456789ABCDEF, weights=0xCAFE)


def answers(sent, cycles=2500, plan=PLAN, **line):
    """Frames that come back."""
    decoder = Decoder()
    frames = decoder.feed(Line(WithNetwork(plan), DIVISOR, **line).run(sent, cycles))
    assert decoder.bad == 0
    return frames


def image_of(seed):
    return random.Random(seed).randbytes(BEATS)


def result_of(sequence, image):
    """The payload that must come back for an image."""
    check = body(Kind.IMAGE, sequence, image)[-4:]
    return check + struct.pack("<I", PLAN.weights) + Sums.expected(image) + b"\0"


def test_hello():
    (answer,) = answers(frame(Kind.HELLO, 5))
    assert (answer.kind, answer.sequence, answer.payload[0]) == (Kind.HELLO | REPLY, 5, Code.OK)
    info = Info.unpacked(answer.payload[1:])
    assert info == Info(
        VERSION,
        False,
        False,
        PLAN.design,
        BEATS,
        4,
        PLAN.window,
        PLAN.weights,
        images=0,
        bad_frames=0,
        core_errors=0,
    )


def test_images_with_every_awkward_byte():
    images = [bytes([0x7E] * BEATS), bytes([0x7D] * BEATS), bytes(range(0x78, 0x78 + BEATS)), image_of(1)]
    sent = b"".join(frame(Kind.IMAGE, 100 + k, image) for k, image in enumerate(images))
    got = answers(sent, jitter=9)
    assert [(one.kind, one.sequence) for one in got] == [(Kind.IMAGE | REPLY, 100 + k) for k in range(4)]
    for k, image in enumerate(images):
        assert got[k].payload == result_of(100 + k, image)


def test_faults_are_refused_and_the_next_frame_is_right():
    """Flipped bits, lost and doubled bytes, cut frames, wrong CRC, garbage, and flags alone."""
    good = frame(Kind.IMAGE, 7, image_of(2))
    rng = random.Random(3)
    flipped = bytearray(good)
    flipped[rng.randrange(1, len(good) - 1)] ^= 1 << rng.randrange(8)
    at = rng.randrange(1, len(good) - 1)
    damaged = [bytes(flipped), good[:at] + good[at + 1 :], good[:at] + good[at - 1 :], good[:at] + b"\x7e"]
    damaged += [
        wire(body(Kind.IMAGE, 7, image_of(2))[:-1] + b"\0"),
        b"\x7e" + bytes(rng.randbytes(30)) + b"\x7e",
    ]
    sent = b"".join(bad + frame(Kind.IMAGE, 50 + k, image_of(k)) for k, bad in enumerate(damaged))
    got = answers(sent, cycles=1500, jitter=3)
    right = {one.sequence: one.payload for one in got if one.kind == Kind.IMAGE | REPLY}
    wrong = [one for one in got if one.kind == REPLY]
    assert all(payload == result_of(k, image_of(k - 50)) for k, payload in right.items() if k != 7)
    assert set(right) - {7} == {50 + k for k in range(len(damaged))}
    assert right.get(7, result_of(7, image_of(2))) == result_of(7, image_of(2))
    assert len(wrong) >= len(damaged) - 3 and all(one.payload == bytes([Code.BAD_FRAME]) for one in wrong)


@pytest.mark.parametrize(
    ("sent", "kind", "code"),
    [
        (frame(Kind.IMAGE, 9, bytes(BEATS - 1)), Kind.IMAGE, Code.BAD_LENGTH),
        (frame(Kind.IMAGE, 9, bytes(BEATS + 1)), Kind.IMAGE, Code.BAD_LENGTH),
        (frame(Kind.IMAGE, 9), Kind.IMAGE, Code.BAD_LENGTH),
        (frame(Kind.HELLO, 9, b"x"), Kind.HELLO, Code.BAD_LENGTH),
        (frame(Kind.LOAD, 9, bytes(7)), Kind.LOAD, Code.BAD_TYPE),
        (frame(77, 9), 77, Code.BAD_TYPE),
    ],
)
def test_whole_frames_that_are_not_for_this_design(sent, kind, code):
    (answer,) = answers(sent, cycles=900)
    assert (answer.kind, answer.sequence, answer.payload) == (kind | REPLY, 9, bytes([code]))


def test_more_images_than_there_is_room_for_are_refused_not_lost():
    """A network that is slower than the line: each image is answered, by its result or by BUSY."""
    dut = WithNetwork(PLAN)
    dut.network = Sums(BEATS, latency=2000)
    sent = b"".join(frame(Kind.IMAGE, k, image_of(k)) for k in range(9))
    got = Decoder().feed(Line(dut, DIVISOR).run(sent, 14_000))
    busy = [one.sequence for one in got if one.payload == bytes([Code.BUSY])]
    right = {one.sequence: one.payload for one in got if len(one.payload) > 1}
    assert busy and sorted([*busy, *right]) == list(range(9))
    assert len(right) >= PLAN.window
    assert all(payload == result_of(k, image_of(k)) for k, payload in right.items())


def test_the_plan_refuses_what_no_frame_holds():
    with pytest.raises(InputError, match=f"one image takes 70000 bytes, a frame of the link holds {LONGEST}"):
        LinkPlan(8, 1, 70000, 2, 2)
    with pytest.raises(InputError, match="one result takes"):
        LinkPlan(8, 1, 7, 2, 40000)
