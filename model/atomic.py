"""Results that appear whole or not at all: written under another name beside it, then renamed."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fermatnet.model.outputs import check_directory, check_file, make_parents, remove_empty

__all__ = ["atomic_directory", "atomic_file"]

_PREFIX = ".fermatnet-"  # short and of fixed length: a final name may be as long as the file system takes


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``; renamed to it when the block ends well, removed when it does not
    (Ctrl-C included).

    Raises InputError, before the block, for a path that `fermatnet.model.outputs.check_file` refuses. Links
    are followed, a file that is replaced keeps its permissions.
    """
    real = check_file(path)
    mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else 0o666 & ~_umask()
    suffix = real.suffix if len(real.suffix) <= 16 else ""
    handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=suffix, dir=real.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        os.replace(temporary, real)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its place when the block ends well.

    Raises InputError, before the block, for a path that `fermatnet.model.outputs.check_directory` refuses: a
    file, say, or a folder that is not empty and ``force`` is off. Links are followed; folders above ``path``
    are made, and removed when the block fails.
    """
    real = check_directory(path, force=force)
    made = make_parents(real)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=real.parent))
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        _take_place(temporary, real)
        made = []
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        remove_empty(made)


def _take_place(temporary: Path, real: Path) -> None:
    if not real.exists():
        os.replace(temporary, real)
        return
    old = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}old-", dir=real.parent))
    os.replace(real, old)
    try:
        os.replace(temporary, real)
    except BaseException:
        os.replace(old, real)
        raise
    shutil.rmtree(old, ignore_errors=True)
