"""Where built things are kept between runs, and a temporary place where the usual one cannot be written."""

import functools
import logging
import os
import tempfile
from pathlib import Path

import platformdirs

__all__ = ["cache_directory", "writable"]

_log = logging.getLogger("fermatnet")


def cache_directory(name: str, *, variable: str = "FERMATNET_CACHE", below: str = "") -> Path:
    """A folder that can be written, made where missing: ``$variable``, or ``name``/``below`` where the
    platform keeps caches.

    Where neither can be (a read-only or missing home), a folder under the temporary one that belongs to this
    user alone; the log says so once, because what is kept there is made again after the next start of the
    machine.
    """
    chosen = os.environ.get(variable)
    usual = Path(chosen) if chosen else Path(platformdirs.user_cache_dir(name, appauthor=False)) / below
    return writable(usual, variable)


@functools.cache
def writable(usual: Path, variable: str) -> Path:
    """``usual``, or a folder under the temporary one; ``variable`` is named as the way to choose another."""
    reason = _cannot(usual)
    if not reason:
        return usual
    spare = Path(tempfile.gettempdir()) / f"fermatnet-{os.getuid()}" / usual.name
    if _cannot(spare) or not _own(spare.parent):
        spare = Path(tempfile.mkdtemp(prefix="fermatnet-cache-"))
    _log.warning(
        "the cache %s cannot be written (%s): using %s; %s names another", usual, reason, spare, variable
    )
    return spare


def _cannot(folder: Path) -> str:
    """Why nothing can be written in ``folder``; "" when it can."""
    if not folder.is_absolute() and str(folder).startswith("~"):
        return "there is no home folder"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=".fermatnet-", dir=folder)
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        return (error.strerror or "unknown").lower()
    return ""


def _own(folder: Path) -> bool:
    """Nobody else can put programs there, which would then be run."""
    found = folder.lstat()
    return found.st_uid == os.getuid() and not folder.is_symlink() and not found.st_mode & 0o022
