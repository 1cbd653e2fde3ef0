"""One question after another, each until it is answered: the description, loads, restarts."""

import random
import struct
import time
from collections.abc import Callable, Sequence

from fermatnet.boards.host.decoder import Decoder
from fermatnet.boards.host.port import Port, PortLost
from fermatnet.boards.host.statistics import Statistics
from fermatnet.boards.link.protocol import CHUNK_WORDS, FLAG, REPLY, Code, Frame, Info, Kind, body, wire
from fermatnet.model.errors import InputError

__all__ = ["ATTEMPTS", "LinkError", "Session"]

ATTEMPTS = 12
"""Times that a question is asked without any answer before the host gives up."""
SLOWEST = 4
"""How many times as long as usual a host waits in the end for a board that has answered before."""


class LinkError(InputError):
    """The board does not answer, or not as this design would."""


class Session:
    """A port with frames on it.

    Parameters
    ----------
    port : Port
    patience : float
        Seconds without an answer after which a frame is sent again.
    away : float
        Seconds that a port may be gone.
    slowest : int
        How many times ``patience`` the wait for an answer may become. It follows the answers that come to
        frames sent once, and each silence doubles it until the next of them, as in TCP (RFC 6298, and Karn's
        rule): frames that are only late would otherwise be repeated until the line is full of them.
    """

    def __init__(self, port: Port, *, patience: float, away: float = 30.0, slowest: int = SLOWEST):
        self.port, self.patience, self.away, self.slowest = port, patience, away, slowest
        self._stretch, self._usual, self._heard = 1, 0.0, False
        self.decoder, self.statistics = Decoder(), Statistics()
        self._sequence = random.SystemRandom().randrange(1 << 16)  # not where an earlier host began

    def next_sequence(self) -> int:
        """Number of the next frame, 16 bits, after the last one 0 again."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    @property
    def wait(self) -> float:
        """Seconds after which a frame is sent again now."""
        least, most = self.patience, self.slowest * self.patience
        return min(max(least, 2 * self._usual) * self._stretch, most)

    def silence(self) -> None:
        """Notes that an answer did not come in time; a board that never answered is not waited for longer."""
        if self._heard:
            self._stretch = min(2 * self._stretch, self.slowest)

    def answered(self, seconds: float) -> None:
        """Notes that a frame that was sent once has its answer, ``seconds`` later."""
        self._heard, self._stretch = True, 1
        self._usual = max(seconds, self._usual + (seconds - self._usual) / 8)

    def send(self, data: bytes) -> None:
        """Sends a body; a port that is gone is waited for, and what was sent then is lost."""
        try:
            self.port.write(wire(data))
        except PortLost:
            self.recover()

    def receive(self, seconds: float) -> list[Frame]:
        """The whole frames that come within ``seconds``, as soon as there is one."""
        until = time.monotonic() + seconds
        while True:
            try:
                data = self.port.read(max(0.0, until - time.monotonic()))
            except PortLost:
                self.recover()
                return []
            frames = self.decoder.feed(data)
            self.statistics.bad = self.decoder.bad
            if frames or time.monotonic() >= until:
                return frames

    def recover(self) -> None:
        """Waits until the port is back; `LinkError` when it is gone for too long."""
        until = time.monotonic() + self.away
        while not self.port.reopen():
            if time.monotonic() >= until:
                raise LinkError(
                    f"the port went away and did not come back in {self.away:g} s: plug it in again"
                )
        self.decoder = Decoder()
        self.statistics.reopened += 1

    def ask(self, kind: Kind, payload: bytes = b"") -> tuple[Code, bytes]:
        """The code that answers a frame, and what follows it; asked again until one comes."""
        sequence = self.next_sequence()
        data = body(kind, sequence, payload)
        for attempt in range(ATTEMPTS):
            self.statistics.repeated += attempt > 0
            if attempt:  # whatever the board is in the middle of ends here
                self._flush()
            sent = time.monotonic()
            self.send(data)
            answer = self._answer(kind, sequence)
            if answer is not None:
                self._heard = True
                if attempt == 0:
                    self.answered(time.monotonic() - sent)
                return answer
        raise LinkError(
            f"the board does not answer ({ATTEMPTS} times asked): is it programmed, and is this its port?"
        )

    def _flush(self) -> None:
        try:
            self.port.write(bytes([FLAG]))
        except PortLost:
            self.recover()

    def _answer(self, kind: Kind, sequence: int) -> tuple[Code, bytes] | None:
        until = time.monotonic() + self.wait
        while (left := until - time.monotonic()) > 0:
            for frame in self.receive(left):
                if frame.kind == REPLY and frame.payload == bytes([Code.BAD_FRAME]):
                    self.statistics.refused += 1
                    return None
                if frame.kind != kind | REPLY or frame.sequence != sequence or not frame.payload:
                    self.statistics.stray += 1
                elif frame.payload[0] == Code.BUSY:
                    self.statistics.refused += 1
                    time.sleep(self.patience / 10)
                    return None
                else:
                    return Code(frame.payload[0]), frame.payload[1:]
        self.silence()
        return None

    def hello(self) -> Info:
        """What the board says of itself."""
        code, rest = self.ask(Kind.HELLO)
        try:
            return Info.unpacked(rest)
        except ValueError:
            raise LinkError(
                f"the board speaks another version of the link (answer {code.name}, {len(rest)} bytes): "
                "program it with the bitstream of this folder"
            ) from None

    def restart(self) -> None:
        """Resets the network and the link; what was under way is lost."""
        self.send(body(Kind.RESTART, self.next_sequence()))

    def load(self, words: Sequence[int], progress: Callable[[int], None] | None = None) -> None:
        """Sends the burst of a load and waits for the network's verdict; begins again when a reset falls into
        it. `LinkError` when the network refuses it."""
        chunks = [words[at : at + CHUNK_WORDS] for at in range(0, len(words), CHUNK_WORDS)]
        for _ in range(ATTEMPTS):
            if self._load(chunks, progress):
                return
        raise LinkError("the load was interrupted again and again: look at the cable")

    def _load(self, chunks: list[Sequence[int]], progress: Callable[[int], None] | None) -> bool:
        sent = 0
        for number, words in enumerate(chunks):
            head = struct.pack("<HB", number, number == len(chunks) - 1)
            code, _ = self.ask(Kind.LOAD, head + struct.pack(f"<{len(words)}I", *words))
            if code == Code.BAD_ORDER:
                return False
            if code == Code.LOAD_REFUSED:
                # a reset between the chunks leaves a load without a beginning, which is refused as well
                raise LinkError(
                    "the board refused the load: it is not of this design, or a reset fell into it"
                )
            if code != Code.OK:
                raise LinkError(f"the board answered {code.name} to a load")
            sent += len(words)
            if progress is not None:
                progress(sent)
        return True
