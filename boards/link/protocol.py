"""The frames of the link, for both of its sides.

A frame on the wire is FLAG, a body, FLAG. Within the body a byte that is FLAG or ESCAPE is sent as ESCAPE and
the byte XOR 0x20, as in RFC 1662 (PPP in HDLC-like framing); so a FLAG always ends a frame, and after any
garbage both sides are in step again with the next one. The body is

    type u8 | sequence u16 | length u16 | payload (length bytes) | CRC-32 u32

least significant byte first; the CRC is that of IEEE 802.3, over everything before it. A frame whose length
or CRC is wrong is dropped whole and answered by `Code.BAD_FRAME`.

What a host sends, and what the payload of the answer is:

* HELLO, empty: a code, then `Info`.
* IMAGE, the beats of one image: RESULT, in which the CRC-32 of the request and the weights' mark stand before
  the beats of the result, and the core's error flag after them.
* LOAD, ``chunk u16 | last u8 | words of 32 bits``: a code. Chunk 0 begins a load and forgets one before it.
* RESTART, empty: no answer; the link and the network are reset.

Why no wrong result is taken for right. The board computes nothing of a frame before its CRC was right, so
a damaged image never enters. A result carries the CRC of its own request: a host takes it only for the very
bytes that it sent under that sequence number, however late or often it comes. It carries the mark of the
weights it was computed with. And it has a CRC of its own. What remains is a CRC-32 that is right by chance,
once in 4.3 thousand million damaged frames.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "CHUNK_WORDS",
    "ESCAPE",
    "FLAG",
    "HEAD_BYTES",
    "INFO_BYTES",
    "LOAD_HEAD",
    "REPLY",
    "RESULT_EXTRA",
    "SLACK",
    "VERSION",
    "XOR",
    "Code",
    "Frame",
    "Info",
    "Kind",
    "body",
    "escape",
    "stored_bytes",
    "wire",
]

VERSION = 1
FLAG, ESCAPE, XOR = 0x7E, 0x7D, 0x20
REPLY = 0x80
"""Set in the type of every frame that a board sends."""
HEAD_BYTES = 5
CHUNK_WORDS = 32
"""Words of a load in one frame, at most."""
LOAD_HEAD = 3
RESULT_EXTRA = 9
"""Bytes of a result's payload that are not the result: CRC of the request, mark of the weights, error
flag."""
SLACK = 16
"""Bytes of the board's store that are kept free, so that the head of a frame can always be written."""


class Kind(IntEnum):
    """Types of what a host sends; 0 in the answer to a frame that could not be read."""

    UNKNOWN = 0
    HELLO = 1
    IMAGE = 2
    LOAD = 3
    RESTART = 4


class Code(IntEnum):
    """First byte of an answer that is no result."""

    OK = 0
    BAD_FRAME = 1  # length or CRC wrong, or bytes that are no frame
    BAD_TYPE = 2
    BAD_LENGTH = 3  # the frame is whole, but not of this design's size
    BUSY = 4  # no room for it now: send it again
    WEIGHTS_LOST = 5  # a reset fell into or after a load: load them again
    BAD_ORDER = 6  # a chunk of a load that is not the next one
    LOAD_REFUSED = 7  # the design's own check of the load failed; the old weights go on


_INFO = struct.Struct("<BBQHHBIIHH")
INFO_BYTES = _INFO.size


@dataclass(frozen=True)
class Info:
    """What a board says of itself.

    ``design``: 64 bits of a digest of the design; ``image_bytes``, ``result_bytes``: of the beats of one
    image and one result; ``window``: images that a host may have under way; ``weights``: mark of the weights,
    the CRC-32 that ends their load; ``images``, ``bad_frames``, ``core_errors``: since the last reset.
    """

    version: int
    reloadable: bool
    weights_lost: bool
    design: int
    image_bytes: int
    result_bytes: int
    window: int
    weights: int
    images: int
    bad_frames: int
    core_errors: int

    def packed(self) -> bytes:
        """As it stands in the answer to HELLO, after the code."""
        flags = self.reloadable | self.weights_lost << 1
        rest = (self.image_bytes, self.result_bytes, self.window, self.weights)
        counts = (self.images, self.bad_frames, self.core_errors)
        return _INFO.pack(self.version, flags, self.design, *rest, *counts)

    @classmethod
    def unpacked(cls, data: bytes) -> "Info":
        """From `INFO_BYTES` bytes; ValueError for another number."""
        if len(data) != INFO_BYTES:
            raise ValueError(f"a board's description has {INFO_BYTES} bytes, not {len(data)}")
        version, flags, *rest = _INFO.unpack(data)
        return cls(version, bool(flags & 1), bool(flags & 2), *rest)


@dataclass(frozen=True)
class Frame:
    """A frame that was whole: its type, sequence number and payload."""

    kind: int
    sequence: int
    payload: bytes


def body(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """The bytes between the flags, before escapes; the last four are the CRC."""
    head = struct.pack("<BHH", kind, sequence, len(payload)) + payload
    return head + struct.pack("<I", zlib.crc32(head))


def escape(data: bytes) -> bytes:
    """``data`` without FLAG in it."""
    marked = data.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPE ^ XOR]))
    return marked.replace(bytes([FLAG]), bytes([ESCAPE, FLAG ^ XOR]))


def wire(data: bytes) -> bytes:
    """A body as it goes over the wire."""
    return bytes([FLAG]) + escape(data) + bytes([FLAG])


def stored_bytes(payload: int) -> int:
    """Bytes that a frame with ``payload`` bytes takes in the board's store."""
    return HEAD_BYTES + 4 + payload
