"""A tree of class folders as an index: which file has which label. No image is opened.

Either DIR/CLASS/IMAGE, of which a fifth of every class is the test part, or DIR/train/CLASS/IMAGE beside
DIR/val/CLASS/IMAGE (or test), as ImageNet is usually unpacked.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.train.files import SUFFIXES

__all__ = ["Index", "read_tree"]

TEST_SHARE = 0.2
"""Of a tree without a test folder."""


@dataclass(frozen=True)
class Index:
    """Files below ``folder``: ``paths`` (n,) UTF-8 byte strings relative to it, ``labels`` (n,) int64.

    Byte strings in one array, not a list of objects: worker processes then share its pages however often they
    read them.
    """

    folder: Path
    paths: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, number: int) -> Path:
        """Where image ``number`` lies."""
        return self.folder / os.fsdecode(bytes(self.paths[number]))

    def take(self, chosen: np.ndarray) -> "Index":
        """The part that a mask or a list of numbers names."""
        return Index(self.folder, self.paths[chosen], self.labels[chosen])

    def split(self, fraction: float, seed: int) -> tuple["Index", "Index"]:
        """(rest, part of ``fraction``), stratified by label and fixed by the seed."""
        rng = np.random.default_rng(seed)
        mask = np.zeros(len(self), bool)
        for label in np.unique(self.labels):
            where = np.flatnonzero(self.labels == label)
            mask[rng.permutation(where)[: round(fraction * len(where))]] = True
        return self.take(~mask), self.take(mask)


def _files(folder: Path, classes: list[str], side: str) -> tuple[list[bytes], list[int]]:
    paths: list[bytes] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        place = folder / side / name
        names = sorted(entry.name for entry in os.scandir(place)) if place.is_dir() else []
        names = [entry for entry in names if os.path.splitext(entry)[1].lower() in SUFFIXES]
        if not names:
            raise InputError(f"{place} has no images")
        paths += [os.fsencode(os.path.join(side, name, entry)) for entry in names]
        labels += [label] * len(names)
    return paths, labels


def read_tree(folder: Path) -> tuple[Index, Index, tuple[str, ...], str]:
    """(training, test, class names, SHA-256 of all names and sizes) of a tree of class folders.

    The digest is over names and sizes, not contents: reading 140 GB would take longer than an epoch.
    """
    tests = [name for name in ("val", "test") if (folder / name).is_dir()]
    sides = ["train", tests[0]] if (folder / "train").is_dir() and tests else [""]
    inside = [entry for side in sides for entry in os.scandir(folder / side)]
    classes = sorted({entry.name for entry in inside if entry.is_dir()})
    if len(classes) < 2:
        raise InputError(
            f"{folder} has {len(classes)} class folders; at least two are needed, as DIR/CLASS/IMAGE or "
            "DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE"
        )
    parts = []
    digest = hashlib.sha256()
    for side in sides:
        paths, labels = _files(folder, classes, side)
        for path in paths:
            digest.update(path + b" %d\n" % os.stat(os.path.join(os.fsencode(folder), path)).st_size)
        parts.append(Index(folder, np.array(paths), np.array(labels, np.int64)))
    if len(parts) == 1:
        parts = list(parts[0].split(TEST_SHARE, 0))
    return parts[0], parts[1], tuple(classes), digest.hexdigest()
