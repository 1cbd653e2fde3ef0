"""Boxes of integer maps by integer arithmetic alone: the function that the generated C computes too.

Every product stays below 2^63 and every shift of a negative number rounds down, in numpy and in C alike.
"""

from collections.abc import Mapping

import numpy as np

from fermatnet.model.detect.boxes.geometry import VARIANCES
from fermatnet.model.detect.host.plan import FACTOR, SCORE, SIDE, UNION, Map, Plan

__all__ = ["COLUMNS", "SHIFT", "boxes_of", "decoded"]

SHIFT = round(VARIANCES[0] * (1 << FACTOR))
"""Unit of a coded centre."""
COLUMNS = ("label", "score", "x1", "y1", "x2", "y2")
"""Of a detection; score in 1/32768, corners in 1/65536 of the image's sides."""


def _rows(values: np.ndarray, one: Map, numbers: int) -> np.ndarray:
    """int64 (priors of this map, numbers) of a map's (C H W,) values."""
    height, width = one.size
    maps = np.asarray(values, np.int64).reshape(one.shapes, numbers, height, width)
    return maps.transpose(2, 3, 0, 1).reshape(-1, numbers)


def _scores(values: np.ndarray, one: Map) -> np.ndarray:
    """Softmax of rows (P, classes + 1), in 1/32768 rounded down."""
    table = one.exponentials()
    shares = table[values.max(1, keepdims=True) - values]
    return (shares << SCORE) // shares.sum(1, keepdims=True)


def _corners(codes: np.ndarray, priors: np.ndarray, one: Map) -> np.ndarray:
    """int64 (P, 4) corners of codes (P, 4), within the image."""
    shift = FACTOR + one.box_bits
    middle = priors[:, :2] + ((codes[:, :2] * priors[:, 2:] * SHIFT + (1 << shift - 1)) >> shift)
    factors = one.factors()[codes[:, 2:] - one.box_range[0]]
    sizes = (priors[:, 2:] * factors + (1 << FACTOR - 1)) >> FACTOR
    low = middle - (sizes >> 1)
    return np.concatenate([low, low + sizes], 1).clip(0, 1 << SIDE)


def decoded(outputs: Mapping[str, np.ndarray], plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """(scores (P, classes + 1), corners (P, 4)) of one image's outputs, each (C H W,) by its name."""
    scores, corners, at = [], [], 0
    for one in plan.maps:
        rows = _rows(outputs[one.classes], one, len(plan.labels) + 1)
        codes = _rows(outputs[one.boxes], one, 4)
        scores.append(_scores(rows, one))
        corners.append(_corners(codes, plan.priors[at : at + len(codes)], one))
        at += len(codes)
    return np.concatenate(scores), np.concatenate(corners)


def _kept(corners: np.ndarray, most: int) -> np.ndarray:
    """Places of the boxes that overlap no kept one before them by more than ``most`` / 1024."""
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    alive = np.ones(len(corners), bool)
    for place in range(len(corners)):
        if not alive[place]:
            continue
        low = np.maximum(corners[place, :2], corners[place + 1 :, :2])
        high = np.minimum(corners[place, 2:], corners[place + 1 :, 2:])
        shared = (high - low).clip(0).prod(1)
        union = areas[place] + areas[place + 1 :] - shared
        alive[place + 1 :] &= (shared << UNION) <= most * union
    return np.flatnonzero(alive)


def boxes_of(outputs: Mapping[str, np.ndarray], plan: Plan) -> np.ndarray:
    """int64 (n, 6): detections of one image as `COLUMNS` says, the best score first; of equal scores the
    lower label, then the earlier prior."""
    scores, corners = decoded(outputs, plan)
    found = []
    for label in range(1, len(plan.labels) + 1):
        mine = scores[:, label]
        ranked = np.argsort(-mine, kind="stable")[: plan.rule.candidates]
        ranked = ranked[mine[ranked] >= plan.least]
        kept = ranked[_kept(corners[ranked], plan.most_overlap)]
        head = np.stack([np.full(len(kept), label), mine[kept]], 1)
        found.append(np.concatenate([head, corners[kept]], 1))
    rows = np.concatenate(found)
    return rows[np.argsort(-rows[:, 1], kind="stable")[: plan.rule.most]]
