"""Reading and writing the .npy files that commands take: never pickles, always named in errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError

__all__ = ["array_file", "load_array"]


def load_array(path: str | Path) -> np.ndarray:
    """A numeric array from a .npy file; InputError when it is missing, damaged or holds Python objects."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a .npy file of numbers") from error
    except MemoryError as error:
        raise InputError(
            f"{path}: its header asks for more memory than there is, the file has {path.stat().st_size} bytes"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: an archive of several arrays; save one with numpy.save")
    return array


@contextmanager
def array_file(path: str | Path) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that takes the array of a .npy file: enter it before the work, so that a bad path is
    told first.

    The file appears whole when the block ends well, and not at all otherwise.
    """
    with atomic_file(path) as temporary:

        def store(array: np.ndarray) -> None:
            with temporary.open("wb") as handle:
                np.save(handle, array, allow_pickle=False)

        yield store
