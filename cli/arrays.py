"""Reading and writing the .npy and .npz files that commands take: never pickles, always named in errors."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError

__all__ = ["array_file", "load_array", "load_samples", "results_file"]


def load_array(path: str | Path) -> np.ndarray:
    """A numeric array from a .npy file; InputError when it is missing, damaged or holds Python objects."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, TypeError, OSError, EOFError) as error:  # a header may say anything
        raise InputError(f"{path}: not a .npy file of numbers") from error
    except MemoryError as error:
        raise InputError(
            f"{path}: its header asks for more memory than there is, the file has {path.stat().st_size} bytes"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: an archive of several arrays; save one with numpy.save")
    return array


def load_samples(path: str | Path) -> np.ndarray | dict[str, np.ndarray]:
    """One array from a .npy file, or several by name from a .npz file; InputError as `load_array`."""
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return load_array(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a .npz file of numbers") from error
    except MemoryError as error:
        raise InputError(f"{path}: its arrays ask for more memory than there is") from error
    if not arrays:
        raise InputError(f"{path}: it holds no array")
    return arrays


@contextmanager
def results_file(
    path: str | Path, names: tuple[str, ...]
) -> Iterator[Callable[[dict[str, np.ndarray]], None]]:
    """As `array_file`, for results by name: one goes into a .npy file (or .npz, where the path says so),
    several only into a .npz file, which InputError tells before the work."""
    packed = Path(path).suffix.lower() == ".npz"
    if len(names) > 1 and not packed:
        raise InputError(f"{path}: the network has {len(names)} outputs, name a .npz file for them")
    with atomic_file(path) as temporary:

        def store(arrays: dict[str, np.ndarray]) -> None:
            with temporary.open("wb") as handle:
                if packed:
                    np.savez(handle, **arrays)  # type: ignore[arg-type]
                else:
                    np.save(handle, arrays[names[0]], allow_pickle=False)

        yield store


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
