"""Memory of this process and all processes below it, as it really stands at one time, from /proc (Linux).

``getrusage(RUSAGE_CHILDREN).ru_maxrss`` does not say it: a child counts the memory of its parent until it
executes its own program. Here such a child, which still has its parent's command line, is left out (so are
those that fork and go on with the parent's program).
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType

__all__ = ["Peak", "below", "resident"]

INTERVAL = 0.05  # seconds between two looks


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def below(pid: int) -> list[int]:
    """Processes started by ``pid`` that run programs of their own, those started by them, and so on."""
    found: list[int] = []
    command = _command(pid)
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            numbers = [int(number) for number in children.read_text().split()]
        except OSError:
            continue  # the thread has ended
        for number in numbers:
            if _command(number) != command:
                found += [number, *below(number)]
    return found


def resident(pid: int) -> int:
    """Bytes of physical memory that a process holds; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class Peak:
    """``with Peak() as peak: ...`` looks every 50 ms. ``together``: most bytes of all processes at one time
    (pages they share count for each); ``own`` and ``others``: most bytes of this process and of all below it,
    each at its own time, so
    that their sum is a bound."""

    def __init__(self) -> None:
        self.together = self.own = self.others = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def look(self) -> None:
        """Take a reading now, as the watching thread does."""
        pid = os.getpid()
        own, others = resident(pid), sum(resident(number) for number in below(pid))
        self.together = max(self.together, own + others)
        self.own, self.others = max(self.own, own), max(self.others, others)

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            time.sleep(INTERVAL)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
