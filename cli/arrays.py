"""Reading and writing the .npy files that commands take: never pickles, always named in errors."""

from pathlib import Path

import numpy as np

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError

__all__ = ["load_array", "save_array"]


def load_array(path: str | Path) -> np.ndarray:
    """A numeric array from a .npy file; InputError when it is missing, damaged or holds Python objects."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a .npy file of numbers") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: an archive of several arrays; save one with numpy.save")
    return array


def save_array(array: np.ndarray, path: str | Path) -> None:
    """Writes a .npy file whole or not at all."""
    with atomic_file(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, array, allow_pickle=False)
