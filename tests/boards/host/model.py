"""A board in Python, as a port: what a host needs to be tested with, and every fault on demand."""

import random
import struct
import time
import zlib
from collections.abc import Callable

from fermatnet.boards.host.decoder import Decoder
from fermatnet.boards.host.port import PortLost
from fermatnet.boards.link.protocol import REPLY, VERSION, Code, Frame, Info, Kind, body, wire

Mangle = Callable[[bytes], bytes]


class ModelBoard:
    """A port with a board behind it that computes ``compute(image, weights)``.

    ``to_board``, ``to_host`` change what goes over the line; ``resets`` and ``unplugs`` are the writes before
    which the board is reset, or the plug pulled; ``slow`` is the seconds from a question to its answer.
    """

    def __init__(self, compute, image_bytes, *, design=1, weights=5, reloadable=False, version=VERSION):
        self.compute, self.image_bytes, self.design = compute, image_bytes, design
        self.built_in, self.reloadable, self.version = weights, reloadable, version
        self.to_board: Mangle = lambda data: data
        self.to_host: Mangle = lambda data: data
        self.resets, self.unplugs = set(), set()
        self.writes, self.unplugged, self.closed, self.slow = 0, 0, False, 0.0
        self.output: list[tuple[float, bytes]] = []
        self.touched = False
        self.reset()

    def reset(self):
        self.decoder, self.images, self.words, self.due = Decoder(), 0, [], 0
        self.weights, self.lost = self.built_in, self.touched

    # the port

    def write(self, data):
        self.writes += 1
        if self.writes in self.unplugs:
            self.unplugged = 3
        if self.writes in self.resets:
            self.reset()
        if self.unplugged:
            raise PortLost("gone")
        before = self.decoder.bad
        for frame in self.decoder.feed(self.to_board(data)):
            self._take(frame)
        if self.decoder.bad != before:
            self._say(0, 0, bytes([Code.BAD_FRAME]))

    def read(self, seconds):
        if self.unplugged:
            raise PortLost("gone")
        now = time.monotonic()
        data = b"".join(part for due, part in self.output if due <= now)
        self.output = [(due, part) for due, part in self.output if due > now]
        return data

    def reopen(self):
        self.unplugged = max(0, self.unplugged - 1)
        self.output.clear()
        return not self.unplugged

    def close(self):
        self.closed = True

    # the board

    def _say(self, kind, sequence, payload):
        answer = self.to_host(wire(body(kind | REPLY, sequence, payload)))
        self.output.append((time.monotonic() + self.slow, answer))

    def _take(self, frame: Frame):
        if frame.kind == Kind.HELLO:
            info = Info(
                self.version,
                self.reloadable,
                self.lost,
                self.design,
                self.image_bytes,
                0,
                3,
                self.weights,
                self.images,
                self.decoder.bad,
                0,
            )
            self._say(frame.kind, frame.sequence, bytes([Code.OK]) + info.packed())
        elif frame.kind == Kind.IMAGE:
            self._image(frame)
        elif frame.kind == Kind.LOAD:
            self._say(frame.kind, frame.sequence, bytes([self._load(frame.payload)]))
        elif frame.kind == Kind.RESTART:
            self.reset()

    def _image(self, frame):
        if len(frame.payload) != self.image_bytes or self.lost:
            code = Code.WEIGHTS_LOST if self.lost else Code.BAD_LENGTH
            self._say(frame.kind, frame.sequence, bytes([code]))
            return
        self.images += 1
        check = body(frame.kind, frame.sequence, frame.payload)[-4:]
        result = self.compute(frame.payload, self.weights)
        self._say(frame.kind, frame.sequence, check + struct.pack("<I", self.weights) + result + b"\0")

    def _load(self, payload):
        chunk, last = struct.unpack_from("<HB", payload)
        words = struct.unpack(f"<{(len(payload) - 3) // 4}I", payload[3:])
        self.touched = True
        if chunk == 0:
            self.words, self.due = [], 0
        elif chunk + 1 == self.due:
            return Code.OK
        elif chunk != self.due:
            return Code.BAD_ORDER
        self.words += words
        self.due += 1
        if not last:
            return Code.OK
        contents = b"".join(struct.pack("<I", word) for word in self.words[1:-1])
        if self.words[0] != 0x51 or self.words[-1] != zlib.crc32(contents):
            return Code.LOAD_REFUSED
        self.weights, self.lost = self.words[-1], False
        return Code.OK


def burst(seed: int, words: int) -> list[int]:
    """A load that `ModelBoard` accepts."""
    contents = [random.Random(seed).randrange(1 << 32) for _ in range(words)]
    return [0x51, *contents, zlib.crc32(b"".join(struct.pack("<I", word) for word in contents))]


def noise(rng: random.Random, share: float) -> Mangle:
    """Flips, loses, doubles and inserts bytes, and cuts, a ``share`` of what passes."""

    def mangle(data: bytes) -> bytes:
        if rng.random() > share:
            return data
        at = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        if kind == 1:
            return data[:at] + data[at + 1 :]
        if kind == 2:
            return data[:at] + data[at : at + 1] + data[at:]
        if kind == 3:
            return data[:at] + rng.randbytes(3) + data[at:]
        return data[:at]

    return mangle
