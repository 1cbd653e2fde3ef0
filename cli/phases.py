"""Progress of work that goes through named phases: which one, and how long so far."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fermatnet.cli.console import notes

__all__ = ["Phases", "phases"]

WORTH_A_LINE = 2.0
"""Seconds after which a phase is told on a log, and from which a finished one stays on a terminal."""


class Phases:
    """Called with a few words when a phase begins; `detail` tells more while it lasts on a terminal."""

    def __init__(self, title: str, progress: Progress | None):
        self.title, self.progress = title, progress
        self.words, self.begun, self.started = "", time.monotonic(), time.monotonic()
        self.timer: threading.Timer | None = None
        self.task = progress.add_task(title, total=None) if progress else None

    def __call__(self, words: str) -> None:
        if words == self.words:
            return
        self._finish()
        self.words, self.begun = words, time.monotonic()
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=f"{self.title}: {words}")
            return
        # short phases say nothing on a log, so that a refusal after them is one line alone
        self.timer = threading.Timer(WORTH_A_LINE, self._tell, (words,))
        self.timer.daemon = True
        self.timer.start()

    def detail(self, words: str) -> None:
        """What the phase is at."""
        if self.progress is not None and self.task is not None:
            now = f"{time.monotonic() - self.begun:.0f} s"
            self.progress.update(self.task, description=f"{self.title}: {self.words}, {now} ({words})")

    def close(self) -> None:
        """Ends the last phase."""
        self._finish()
        self.words = ""

    def _tell(self, words: str) -> None:
        notes.print(f"{self.title}: {words} ...", markup=False, soft_wrap=True)

    def _finish(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        seconds = time.monotonic() - self.begun
        if self.progress is not None and self.words and seconds >= WORTH_A_LINE:
            self.progress.console.print(
                f"{self.title}: {self.words}: {seconds:.1f} s", markup=False, soft_wrap=True
            )


@contextmanager
def phases(title: str) -> Iterator[Phases]:
    """A spinner with the phase and the time on a terminal; on a log, one line a phase of over two seconds."""
    if not notes.is_terminal:
        display = Phases(title, None)
        try:
            yield display
        finally:
            display.close()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        display = Phases(title, progress)
        try:
            yield display
        finally:
            display.close()
