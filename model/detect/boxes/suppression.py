"""From a network's outputs to detections: scores, boxes, and non-maximum suppression class by class."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fermatnet.model.detect.boxes.geometry import decode, overlaps

__all__ = ["Detections", "Rule", "detections", "suppress"]


@dataclass(frozen=True)
class Rule:
    """What is kept: scores from ``score`` on; of the ``candidates`` best of a class those that overlap no
    better one of it by more than ``overlap``; ``most`` an image. The usual ones are SSD's."""

    score: float = 0.01
    overlap: float = 0.45
    candidates: int = 400
    most: int = 200


@dataclass(frozen=True)
class Detections:
    """Of one image, the best first: corners float (n, 4) in units of the image, labels int64 (n,) from 1,
    scores float (n,)."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def suppress(boxes: Tensor, overlap: float) -> Tensor:
    """Places, int64 ascending, of the ``boxes`` (n, 4, the best first) that overlap no kept one before them
    by more than ``overlap``."""
    crossing = (overlaps(boxes, boxes) > overlap).numpy()
    alive = np.ones(len(boxes), bool)
    for place, row in enumerate(crossing):
        if alive[place]:
            alive[place + 1 :] &= ~row[place + 1 :]
    return torch.from_numpy(np.flatnonzero(alive))


@torch.no_grad()
def detections(scores: Tensor, codes: Tensor, priors: Tensor, rule: Rule | None = None) -> Detections:
    """Of one image: ``scores`` (P, classes + 1) before the softmax, the background first, ``codes`` (P, 4),
    ``priors`` (P, 4)."""
    rule = rule or Rule()
    shares = scores.float().softmax(-1)
    boxes = decode(codes.float(), priors).clamp(0, 1)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for label in range(1, shares.shape[1]):
        mine = shares[:, label]
        ranked = mine.argsort(dim=-1, descending=True, stable=True)[: rule.candidates]
        ranked = ranked[mine[ranked] >= rule.score]
        kept = ranked[suppress(boxes[ranked], rule.overlap)]
        found.append((boxes[kept], torch.full((len(kept),), label), mine[kept]))
    corners, labels, kept_scores = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = kept_scores.argsort(dim=-1, descending=True, stable=True)[: rule.most]
    return Detections(corners[order], labels[order], kept_scores[order])
