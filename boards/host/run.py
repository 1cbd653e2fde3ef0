"""Images through the link, several under way, each sent until its result is there."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fermatnet.boards.host.session import ATTEMPTS, LinkError, Session
from fermatnet.boards.link.protocol import REPLY, RESULT_EXTRA, Code, Frame, Kind, body

__all__ = ["Run"]


@dataclass
class _Sent:
    """An image under way: its place, its body and the CRC in it, when it was sent, and whether again."""

    at: int
    data: bytes
    check: bytes
    since: float
    again: bool = False


class Run:
    """Sends images and collects their results.

    A result is taken only when it carries the sequence number and the CRC of an image that is still under
    way, the mark of the weights that are wanted, and no error of the network. Images are pure questions: one
    whose result does not come is simply asked again.

    Parameters
    ----------
    session : Session
    images : list of bytes
        The beats of each image.
    window : int
        Images under way at one time.
    weights : int
        Mark of the weights that results must be computed with.
    reload : callable
        Brings those weights back after a reset; raises where it cannot.
    """

    def __init__(
        self, session: Session, images: list[bytes], *, window: int, weights: int, reload: Callable[[], None]
    ):
        self.session, self.images, self.window = session, images, max(1, window)
        self.weights, self.reload = weights.to_bytes(4, "little"), reload
        self.results: list[bytes | None] = [None] * len(images)
        self.waiting = deque(range(len(images)))
        self.under_way: dict[int, _Sent] = {}
        self.silent, self.done, self.heard = 0, 0, time.monotonic()

    def run(self, progress: Callable[[int], None] | None = None) -> list[bytes]:
        """The results in order."""
        while self.done < len(self.images):
            while self.waiting and len(self.under_way) < self.window:
                self._send(self.waiting.popleft())
            before = self.done
            for frame in self.session.receive(self._patience_left()):
                self._take(frame)
            self._repeat_late()
            if progress is not None and self.done != before:
                progress(self.done)
        return [result for result in self.results if result is not None]

    def _send(self, at: int) -> None:
        sequence = self.session.next_sequence()
        while sequence in self.under_way:
            sequence = self.session.next_sequence()
        data = body(Kind.IMAGE, sequence, self.images[at])
        self.under_way[sequence] = _Sent(at, data, data[-4:], time.monotonic())
        self.session.send(data)

    def _patience_left(self) -> float:
        if not self.under_way:
            return 0.0
        oldest = min(sent.since for sent in self.under_way.values())
        return max(0.0, oldest + self.session.wait - time.monotonic())

    def _repeat_late(self) -> None:
        """Sends again what has been under way for too long."""
        now = time.monotonic()
        late = [sent for sent in self.under_way.values() if now - sent.since > self.session.wait]
        if not late:
            return
        self.silent += 1
        if self.silent > ATTEMPTS:
            raise LinkError(f"the board has not answered for {now - self.heard:.0f} s")
        self.session.silence()
        self._again(late)

    def _again(self, sent: list[_Sent]) -> None:
        for one in sent:
            one.since, one.again = time.monotonic(), True
            self.session.statistics.repeated += 1
            self.session.send(one.data)

    def _take(self, frame: Frame) -> None:
        if frame.kind == Kind.IMAGE | REPLY and len(frame.payload) >= RESULT_EXTRA:
            self._result(frame)
        elif frame.kind == REPLY or frame.kind == Kind.IMAGE | REPLY:
            self._refusal(frame)
        else:
            self.session.statistics.stray += 1

    def _result(self, frame: Frame) -> None:
        sent = self.under_way.get(frame.sequence)
        if sent is None or frame.payload[:4] != sent.check:
            self.session.statistics.stray += 1
            return
        self.silent, self.heard = 0, time.monotonic()
        if not sent.again:
            self.session.answered(self.heard - sent.since)
        if frame.payload[4:8] != self.weights:
            self._restore()
            return
        if frame.payload[-1]:
            raise LinkError("the network marked a result as wrong: its input beats were disturbed")
        del self.under_way[frame.sequence]
        self.results[sent.at] = frame.payload[8:-1]
        self.done += 1
        self.session.statistics.images += 1
        # results come in order: what was sent before this one and is still under way was lost
        self._again([one for one in self.under_way.values() if one.since < sent.since])

    def _refusal(self, frame: Frame) -> None:
        code = frame.payload[0] if frame.payload else Code.BAD_FRAME
        self.session.statistics.refused += 1
        if code == Code.BAD_FRAME:  # whose it was cannot be known
            self._again(list(self.under_way.values()))
        elif frame.sequence not in self.under_way:
            self.session.statistics.stray += 1
        elif code == Code.BUSY:
            self.waiting.appendleft(self.under_way.pop(frame.sequence).at)
        elif code == Code.WEIGHTS_LOST:
            self._restore()
        else:
            raise LinkError(f"the board answered {Code(code).name} to an image: it holds another design")

    def _restore(self) -> None:
        """Weights are not those wanted: a reset was in between."""
        self.reload()
        self.session.statistics.reloads += 1
        self._again(list(self.under_way.values()))
