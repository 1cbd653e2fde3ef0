"""Bytes from a board to frames; what is no whole frame is counted and dropped."""

import struct
import zlib

from fermatnet.boards.link.protocol import ESCAPE, FLAG, HEAD_BYTES, XOR, Frame

__all__ = ["Decoder", "decode"]

LONGEST = 2 * (0xFFFF + HEAD_BYTES + 4)
"""Escaped bytes of the longest frame: more without a flag is garbage."""


class Decoder:
    """Takes bytes as they come.

    Attributes
    ----------
    bad : int
        Frames dropped so far.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.bad = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The whole frames that end in ``data``."""
        found: list[Frame] = []
        *ends, rest = data.split(bytes([FLAG]))
        for part in ends:
            self._bytes += part
            frame = decode(bytes(self._bytes)) if self._bytes else None
            if frame is not None:
                found.append(frame)
            elif self._bytes:
                self.bad += 1
            self._bytes.clear()
        self._bytes += rest
        if len(self._bytes) > LONGEST:
            self._bytes.clear()
            self.bad += 1
        return found


def decode(escaped: bytes) -> Frame | None:
    """The frame between two flags; None when its escapes, its length or its CRC are wrong."""
    pieces = escaped.split(bytes([ESCAPE]))
    if any(not piece for piece in pieces[1:]):  # an escape at the end, or two in a row
        return None
    data = pieces[0] + b"".join(bytes([piece[0] ^ XOR]) + piece[1:] for piece in pieces[1:])
    if len(data) < HEAD_BYTES + 4:
        return None
    kind, sequence, length = struct.unpack_from("<BHH", data)
    if len(data) != HEAD_BYTES + length + 4:
        return None
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return None
    return Frame(kind, sequence, data[HEAD_BYTES:-4])
