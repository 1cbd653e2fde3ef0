"""Where results may go: every path that is about to be written is judged here, before the work, and the
answer is one line.

Links are followed, so that a result lands where the link points and the link stays. What exists and is not a
regular file (a device, a pipe, a socket) is never replaced.
"""

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from fermatnet.model.errors import InputError

__all__ = ["apart", "check_directory", "check_file", "make_parents", "remove_empty"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
SOURCES = {"__init__.py": "a Python package", ".git": "a repository"}  # what folders of sources hold


def check_file(path: str | Path) -> Path:
    """Where a file written as ``path`` lands, links followed; `InputError` when nothing can be."""
    real = _real(path)
    mode = _mode(path, Path(path))  # not of ``real``: /dev/stdout leads to a name that is none
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError(f"{path} is {_kind(mode)}, not a file: name a regular file")
    parent = _mode(path, real.parent)
    if parent is None:
        raise InputError(f"{path}: its folder {Path(path).parent} does not exist")
    if not stat.S_ISDIR(parent):
        raise InputError(f"{path}: {Path(path).parent} is {_kind(parent)}, not a folder")
    if mode is not None and not os.access(real, os.W_OK):
        raise InputError(f"{path} is write-protected: name another file")
    _need_writable(path, real.parent)
    return real


def check_directory(path: str | Path, *, force: bool = False) -> Path:
    """Where a folder written as ``path`` lands, links followed.

    Raises InputError when something else than a folder is there, when the folder is not empty and ``force``
    is off, and when it cannot be made or replaced: the working folder and those around it, the home folder,
    mount points, Python packages and repositories never are.
    """
    real = _real(path)
    mode = _mode(path, Path(path))
    if mode is not None and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is {_kind(mode)}, not a folder")
    if mode is not None:
        _need_replaceable(path, real, force)
    parent = real.parent
    while (mode := _mode(path, parent)) is None:
        parent = parent.parent
    if not stat.S_ISDIR(mode):
        raise InputError(f"{path}: {parent} is {_kind(mode)}, not a folder")
    _need_writable(path, parent)
    return real


def apart(inputs: Iterable[str | Path | None], outputs: Iterable[str | Path | None]) -> None:
    """InputError when an output is an input, lies around one, or is another output."""
    sources = [(name, _real(name)) for name in inputs if name is not None]
    targets = [(name, _real(name)) for name in outputs if name is not None]
    for at, (name, real) in enumerate(targets):
        for source, other in sources:
            if real == other or _same(real, other):
                raise InputError(f"{name} is the input {source}: name another output")
            if real in other.parents:
                raise InputError(f"{name} holds the input {source}: name another output")
        for output, other in targets[:at]:
            if real == other or _same(real, other) or real in other.parents or other in real.parents:
                raise InputError(f"{name} and {output} are the same place: name two")


def make_parents(path: Path) -> list[Path]:
    """Makes the folders above ``path``; those that were not there before, the innermost first."""
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    return made


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes each of the ``folders`` that is empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # somebody else's file is in it, or it went already
            return


def _real(path: str | Path) -> Path:
    if not str(path):
        raise InputError("an output needs a name, not an empty one")
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # a zero byte
        raise InputError(f"{str(path)!r} is no name of a file: {error}") from error


def _mode(path: str | Path, real: Path) -> int | None:
    """What stands there; InputError for a name too long, a loop of links, a file used as a folder."""
    try:
        return os.stat(real).st_mode
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise InputError(f"{path}: a part of it is a file, not a folder") from None
    except OSError as error:
        raise InputError(f"{str(path)[:80]}: {(error.strerror or 'cannot be used').lower()}") from None


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "a file")


def _need_replaceable(path: str | Path, real: Path, force: bool) -> None:
    try:
        with os.scandir(real) as entries:
            empty = next(entries, None) is None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({(error.strerror or 'unknown').lower()})") from None
    for mark, what in SOURCES.items():
        if (real / mark).exists():
            raise InputError(f"{path} is {what}, which nothing here replaces: name another folder")
    if not empty and not force:
        raise InputError(f"{path} is not empty (--force replaces it)")
    here = Path(os.path.realpath("."))
    if real == here or real in here.parents:
        raise InputError(f"{path} is the working folder or lies around it: name a folder inside")
    if real == Path(os.path.realpath(os.path.expanduser("~"))):
        raise InputError(f"{path} is the home folder: name a folder inside")
    if os.path.ismount(real):
        raise InputError(f"{path} is a mount point and cannot be replaced: name a folder inside")


def _need_writable(path: str | Path, folder: Path) -> None:
    # asked by doing it: access rights alone do not know of read-only and special file systems
    try:
        handle, name = tempfile.mkstemp(prefix=".fermatnet-", dir=folder)
    except OSError as error:
        words = (error.strerror or "unknown").lower()
        raise InputError(
            f"{path}: nothing can be written in {folder} ({words}); name another place"
        ) from None
    os.close(handle)
    os.unlink(name)


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
