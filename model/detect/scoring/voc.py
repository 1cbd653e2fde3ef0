"""Mean average precision as PASCAL VOC counts it (Everingham et al. 2010, section 4.2): the best detection of
an object counts as found, every other one as false; VOC 2007 means the precision at eleven recalls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Found", "Truth", "average_precision", "voc_ap", "voc_map"]


@dataclass(frozen=True)
class Truth:
    """Of one image: corners (n, 4), labels (n,) from 1, which ones are difficult (n,)."""

    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


@dataclass(frozen=True)
class Found:
    """Detections of one image: corners (n, 4) in the truth's units, labels (n,), scores (n,)."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 (n,): intersection over union of a box with others (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(0).prod(1)
    whole = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1)
    return shared / np.maximum(whole - shared, 1e-12)


def _verdicts(
    truths: Sequence[Truth], founds: Sequence[Found], label: int, overlap: float
) -> tuple[np.ndarray, int]:
    """(1 for a right, 0 for a false detection, the best score first; number of objects that count)."""
    rows = [
        (-float(found.scores[place]), image, place)
        for image, found in enumerate(founds)
        for place in np.flatnonzero(found.labels == label)
    ]
    mine = [np.flatnonzero(truth.labels == label) for truth in truths]
    taken = [np.zeros(len(places), bool) for places in mine]
    right: list[int] = []
    for _, image, place in sorted(rows):
        places, truth = mine[image], truths[image]
        if not len(places):
            right.append(0)
            continue
        shared = _overlaps(
            founds[image].boxes[place].astype(np.float64), truth.boxes[places].astype(np.float64)
        )
        best = int(shared.argmax())
        if shared[best] < overlap:
            right.append(0)
        elif not truth.difficult[places[best]]:
            right.append(int(not taken[image][best]))
            taken[image][best] = True
    count = sum(int((~truth.difficult[places]).sum()) for truth, places in zip(truths, mine, strict=True))
    return np.asarray(right, np.int64), count


def average_precision(right: np.ndarray, count: int, *, points: bool = True) -> float:
    """Of verdicts, the best score first, on ``count`` objects: the mean of the best precision at recalls 0,
    0.1, ..., 1 and beyond (``points``, VOC 2007), or the area below the curve (VOC 2010)."""
    found = np.cumsum(right)
    recall, precision = found / max(count, 1), found / np.arange(1, len(right) + 1)
    if points:  # eleven recalls as exact fractions: 0.3 is not 3/10 in binary
        reached = [10 * found >= tenth * count for tenth in range(11)]
        return float(np.mean([precision[at].max() if at.any() else 0.0 for at in reached]))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], recall]))
    return float((steps * best).sum())


def voc_ap(
    truths: Sequence[Truth],
    founds: Sequence[Found],
    label: int,
    *,
    overlap: float = 0.5,
    points: bool = True,
) -> float:
    """Average precision of one class over the images; NaN where no object of it counts."""
    right, count = _verdicts(truths, founds, label, overlap)
    return average_precision(right, count, points=points) if count else float("nan")


def voc_map(
    truths: Sequence[Truth],
    founds: Sequence[Found],
    classes: int,
    *,
    overlap: float = 0.5,
    points: bool = True,
) -> tuple[float, list[float]]:
    """(mean over the classes that have objects, of each class its own or NaN)."""
    each = [voc_ap(truths, founds, label, overlap=overlap, points=points) for label in range(1, classes + 1)]
    there = [value for value in each if value == value]
    return (float(np.mean(there)) if there else float("nan")), each
