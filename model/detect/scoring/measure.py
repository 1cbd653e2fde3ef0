"""Detections of a network on a set, and what they are worth."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.detect.boxes.suppression import Rule, detections
from fermatnet.model.detect.data.augment import load
from fermatnet.model.detect.data.batches import packed
from fermatnet.model.detect.data.items import BoxSet
from fermatnet.model.detect.scoring.coco import coco_scores
from fermatnet.model.detect.scoring.voc import Found, Truth, voc_map

__all__ = ["found_in", "images_a_second", "scores", "truths"]


@torch.no_grad()
def found_in(
    model: nn.Module,
    part: BoxSet,
    image: tuple[int, int],
    priors: Tensor,
    rule: Rule | None = None,
    batch: int = 16,
) -> list[Found]:
    """Detections of each image in its own pixels; ``model`` gives rows as
    `fermatnet.model.detect.networks.detector.joined` has them."""
    model.eval()
    device = next(model.parameters()).device
    found = []
    for start in range(0, len(part), batch):
        items = part.items[start : start + batch]
        pixels, _ = packed([load(item, image) for item in items])
        rows = model(pixels.to(device)).float().cpu()
        for item, row in zip(items, rows, strict=True):
            one = detections(row[:, :-4], row[:, -4:], priors, rule)
            size = torch.tensor(item.size * 2)
            found.append(Found((one.boxes * size).numpy(), one.labels.numpy(), one.scores.numpy()))
    return found


def truths(part: BoxSet) -> list[Truth]:
    """The objects of each image."""
    return [Truth(item.boxes, item.labels, item.difficult) for item in part.items]


def scores(founds: Sequence[Found], part: BoxSet, *, coco: bool = False) -> dict[str, Any]:
    """{"map": VOC 2007's mean average precision at overlap 0.5, "map_area": the same by the area below the
    curve, "classes": {name: of each class by points}}; with ``coco`` "coco" has COCO's scores."""
    there = truths(part)
    mean, each = voc_map(there, founds, len(part.classes))
    area, _ = voc_map(there, founds, len(part.classes), points=False)
    made = {"map": mean, "map_area": area, "classes": dict(zip(part.classes, each, strict=True))}
    if coco:
        made["coco"] = coco_scores(there, founds, len(part.classes))
    return made


def images_a_second(
    model: nn.Module,
    image: tuple[int, int, int],
    batch: int = 1,
    times: int = 10,
    priors: Tensor | None = None,
) -> float:
    """On this machine, with torch's threads, on images (C, H, W) of chance, so many ``times`` after one that
    does not count: of the network alone, or, with its ``priors``, to the boxes that are kept."""
    rule = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (batch, *image), dtype=torch.uint8, generator=rule)
    x = x.to(next(model.parameters()).device)

    def once() -> None:
        rows = model(x).float().cpu()
        if priors is not None:
            for row in rows:
                detections(row[:, :-4], row[:, -4:], priors)

    model.eval()
    with torch.no_grad():
        once()
        started = time.perf_counter()
        for _ in range(times):
            once()
    return batch * times / (time.perf_counter() - started)
