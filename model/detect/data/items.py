"""A set of images with boxes, whatever its files were."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["BoxSet", "Item", "Lost", "check_box"]


@dataclass(frozen=True)
class Item:
    """One image: ``path`` of its file, ``name`` in the set, (width, height), corners float32 (n, 4) in
    pixels, labels int64 (n,) from 1, and which objects are ``difficult`` (VOC) or crowds (COCO): they are
    neither learned nor counted."""

    path: Path
    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


@dataclass
class Lost:
    """What is done with boxes that are none: ``refuse`` ends at the first, ``skip`` leaves them out and
    keeps what was said of each."""

    rule: str = "refuse"
    words: list[str] = field(default_factory=list)

    def add(self, words: str) -> None:
        """Notes a box that is none; InputError where the rule is to refuse it."""
        if self.rule == "refuse":
            raise InputError(f"{words}; mend it, or leave such boxes out with --boxes skip")
        self.words.append(words)


@dataclass(frozen=True)
class BoxSet:
    """``items`` and the names of the ``classes``; label k is ``classes[k - 1]``. ``lost``: the boxes that
    were left out."""

    items: tuple[Item, ...]
    classes: tuple[str, ...]
    lost: Lost

    def __len__(self) -> int:
        return len(self.items)

    @property
    def objects(self) -> int:
        """Boxes that count."""
        return sum(int((~item.difficult).sum()) for item in self.items)


def check_box(where: str, box: tuple[float, float, float, float], size: tuple[int, int], lost: Lost) -> bool:
    """Whether (x1, y1, x2, y2) in pixels is a box of an image of ``size`` (width, height)."""
    x1, y1, x2, y2 = box
    words = ", ".join(f"{value:g}" for value in box)
    if not all(np.isfinite(box)):
        lost.add(f"{where}: box ({words}) is not of numbers")
    elif x2 <= x1 or y2 <= y1:
        lost.add(f"{where}: box ({words}) has no area")
    elif x1 < 0 or y1 < 0 or x2 > size[0] or y2 > size[1]:
        lost.add(f"{where}: box ({words}) reaches outside the image of {size[0]}x{size[1]}")
    else:
        return True
    return False
