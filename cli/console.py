"""What commands share on the terminal: one console for progress on stderr, results on stdout."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["bar", "line", "notes", "results", "share"]

notes = Console(stderr=True, highlight=False)
# a pipe has no width of its own; 80 would cut tables
_LOG_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 132
results = Console(highlight=False, width=_LOG_WIDTH)


def line(text: str) -> None:
    """One line of results as it is: not wrapped, brackets in a file's name are no markup."""
    results.print(text, markup=False, soft_wrap=True)


def _say(title: str) -> None:
    if not notes.is_terminal:  # a log gets one line instead of a bar
        notes.print(f"{title} ...")


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; yields a function that takes how many are done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    _say(title)
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def share(title: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar on stderr for work that tells its share done, 0 to 1, and a few words."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as progress:
        task, told = progress.add_task(title, total=1.0), [""]

        def tell(done: float, words: str) -> None:
            if words != told[0] and not notes.is_terminal and done < 1:
                notes.print(f"{title}: {words} ...", markup=False, soft_wrap=True)
            told[0] = words
            progress.update(task, completed=done, description=f"{title}: {words}" if words else title)

        yield tell
