"""Data from one .npz file of arrays: sensors and images of any integer type, with classes, real numbers or
maps of either as targets.

Keys: ``x_train``, ``y_train``, ``x_test``, ``y_test``; ``classes`` (names, optional), ``x_range`` ((lowest,
highest), optional: else the narrowest range of whole bits that holds both parts).

``x``: integers (n, C, H, W), (n, c, length) or (n, values), at most 16 bits with sign, 15 without.
``y``: integers (n,) are classes; integers (n, H, W) a class for every pixel; real numbers (n,), (n, K) or
(n, C, H, W) are values. Nothing is unpickled.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["Arrays", "read"]

_NEEDED = ("x_train", "y_train", "x_test", "y_test")
_KNOWN = (*_NEEDED, "classes", "x_range")
_BITS = 16


@dataclass(frozen=True)
class Arrays:
    """What the file holds: ``x`` (n, C, H, W), ``y`` int64 or float32, of the training and the test part;
    names of the classes (of the values: their numbers); range of x."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: tuple[str, ...]
    value_range: tuple[int, int]


def read(path: Path) -> Arrays:
    """InputError in one line for a missing, damaged or unsuitable file."""
    held = _held(path)
    sides = {name: _samples(path, name, held[name]) for name in ("x_train", "x_test")}
    targets = {name: _targets(path, name, held[name]) for name in ("y_train", "y_test")}
    for part in ("train", "test"):
        count, other = len(sides[f"x_{part}"]), len(targets[f"y_{part}"])
        if count != other:
            raise InputError(f"{path}: {count} samples in x_{part}, but {other} targets in y_{part}")
    first, second = targets["y_train"], targets["y_test"]
    if sides["x_train"].shape[1:] != sides["x_test"].shape[1:]:
        raise InputError(f"{path}: x_train and x_test hold samples of different shapes")
    if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
        raise InputError(f"{path}: y_train and y_test hold targets of different shapes or kinds")
    lo, hi = _range(path, held.get("x_range"), list(sides.values()))
    kind = next(k for k in (np.uint8, np.int8, np.int16) if _holds(k, lo, hi))
    x_train, x_test = (side.astype(kind) for side in sides.values())
    names = _names(path, held.get("classes"), first, second)
    return Arrays((x_train, first), (x_test, second), names, (lo, hi))


def _holds(kind: Any, lo: int, hi: int) -> bool:
    return bool(np.iinfo(kind).min <= lo and hi <= np.iinfo(kind).max)


def _held(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise InputError(f"{path} is not a .npz file of plain arrays: write it by np.savez") from error
    if missing := [name for name in _NEEDED if name not in held]:
        raise InputError(f"{path} has no {', '.join(missing)}: it needs {', '.join(_NEEDED)}")
    if unknown := sorted(set(held) - set(_KNOWN)):
        raise InputError(f"{path}: nobody reads {', '.join(unknown)}: it holds {', '.join(_KNOWN)}")
    return held


def _samples(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    """Integers (n, C, H, W)."""
    if x.dtype.kind not in "iu":
        raise InputError(
            f"{path}: {name} must hold raw integers, not {x.dtype}: scale and round real numbers first, "
            "np.round(x * k).astype(np.int16)"
        )
    if not 2 <= x.ndim <= 4 or not x.size:
        raise InputError(
            f"{path}: {name} must be (n, C, H, W), (n, c, length) or (n, values) and not empty, not {x.shape}"
        )
    return x.reshape(*x.shape[:2], *{2: (1, 1), 3: (1, x.shape[-1])}.get(x.ndim, x.shape[2:]))


def _targets(path: Path, name: str, y: np.ndarray) -> np.ndarray:
    """int64 of classes, float32 of values."""
    if y.dtype.kind not in "iuf" or y.ndim < 1 or not y.size:
        raise InputError(f"{path}: {name} must hold integers (classes) or real values, not {y.dtype}")
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise InputError(f"{path}: {name} holds numbers that are not finite")
        if y.ndim not in (1, 2, 4):
            raise InputError(f"{path}: values in {name} must be (n,), (n, K) or (n, C, H, W), not {y.shape}")
        return (y[:, None] if y.ndim == 1 else y).astype(np.float32)
    if y.ndim not in (1, 3):
        raise InputError(f"{path}: classes in {name} must be (n,) or (n, H, W), not {y.shape}")
    return y.astype(np.int64)


def _range(path: Path, told: np.ndarray | None, sides: list[np.ndarray]) -> tuple[int, int]:
    lo, hi = min(int(x.min()) for x in sides), max(int(x.max()) for x in sides)
    if told is not None:
        if told.shape != (2,) or told.dtype.kind not in "iu" or told[0] > lo or told[1] < hi:
            raise InputError(f"{path}: x_range must be two integers around {lo}..{hi}, not {told.tolist()}")
        lo, hi = map(int, told)
    bits = max(hi.bit_length(), 1) if lo >= 0 else max((-lo - 1).bit_length(), hi.bit_length()) + 1
    if bits > _BITS - (lo >= 0):
        raise InputError(
            f"{path}: samples of {lo}..{hi} need {bits} bits: networks take 16 with sign or 15 without; "
            "shift them first, x >> 1 or x - 32768"
        )
    return (
        (lo, hi)
        if told is not None
        else (0, (1 << bits) - 1)
        if lo >= 0
        else (-(1 << bits - 1), (1 << bits - 1) - 1)
    )


def _names(path: Path, told: np.ndarray | None, *targets: np.ndarray) -> tuple[str, ...]:
    """Of classes, or of the values that leave."""
    if targets[0].dtype.kind == "f":
        count = int(np.prod(targets[0].shape[1:]))
    else:
        count = max(int(y.max()) for y in targets) + 1
        if min(int(y.min()) for y in targets) < 0:
            raise InputError(f"{path}: classes must be numbers from 0 on")
    if told is None:
        return tuple(str(number) for number in range(max(count, 2 if targets[0].dtype.kind == "i" else 1)))
    if told.ndim != 1 or told.dtype.kind != "U" or len(told) < count:
        raise InputError(f"{path}: classes must be {count} or more strings, not {told.dtype} {told.shape}")
    return tuple(map(str, told))
