"""Compiled simulators, kept by a hash of everything that went into them, so that the second run starts at
once."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fermatnet.model.cachedir import cache_directory

__all__ = ["directory", "key", "prune", "stored"]

ENTRIES = 48  # a compiled network takes a few megabytes
ABANDONED = 24 * 3600.0  # seconds after which a half-made entry of a killed run is removed


def directory() -> Path:
    """Folder of the cache: ``$FERMATNET_CACHE``, or ``fermatnet/sim`` where the platform keeps caches; see
    `fermatnet.model.cachedir`."""
    return cache_directory("fermatnet", below="sim")


def key(parts: Iterable[str]) -> str:
    """Name of an entry: SHA-256 over ``parts``, each with its length, so that no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:32]


def stored(name: str, make: Callable[[Path], None]) -> Path:
    """Folder of entry ``name``, filled by ``make(folder)`` when it is not there yet.

    An entry appears under its name only when it is complete (made beside it, then renamed), so a killed run
    leaves none half made; runs that want the same entry at once wait for the first.
    """
    root = directory()
    root.mkdir(parents=True, exist_ok=True)
    entry = root / name
    with _locked(root / f"{name}.lock"):
        if entry.is_dir():
            os.utime(entry)  # recently used: pruned last
            return entry
        scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=root))
        try:
            make(scratch)
            scratch.rename(entry)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    prune()
    return entry


def prune(entries: int = ENTRIES) -> None:
    """Removes the least recently used entries beyond ``entries``, and what killed runs left behind."""
    with contextlib.suppress(OSError):
        folders = [path for path in directory().iterdir() if path.is_dir()]
        whole = sorted(
            (path for path in folders if "." not in path.name),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        half = [
            path for path in folders if "." in path.name and time.time() - path.stat().st_mtime > ABANDONED
        ]
        for path in whole[entries:] + half:
            shutil.rmtree(path, ignore_errors=True)
            path.with_name(f"{path.name}.lock").unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock that the system releases however the process ends."""
    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # pruning may have removed the file between opening and locking: then others lock another one
            try:
                same = os.fstat(file.fileno()).st_ino == path.stat().st_ino
            except FileNotFoundError:
                same = False
            if same:
                yield
                return
