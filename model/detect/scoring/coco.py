"""Average precision as COCO counts it, by pycocotools (Lin et al. 2014): the mean over overlaps 0.5 to 0.95,
and those at 0.5, at 0.75, of small, medium and large objects."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np

from fermatnet.model.detect.scoring.voc import Found, Truth
from fermatnet.model.errors import InputError

__all__ = ["coco_precision", "coco_scores"]

_KEYS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100")


def _dataset(truths: Sequence[Truth], classes: int) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for image, truth in enumerate(truths):
        for box, label, difficult in zip(truth.boxes, truth.labels, truth.difficult, strict=True):
            x1, y1, x2, y2 = map(float, box)
            place = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            one = {"id": len(annotations) + 1, "image_id": image + 1, "category_id": int(label)}
            annotations.append({**one, **place, "iscrowd": int(difficult)})
    return {
        "info": {},
        "images": [{"id": image + 1} for image in range(len(truths))],
        "annotations": annotations,
        "categories": [{"id": label, "name": str(label)} for label in range(1, classes + 1)],
    }


def _rows(founds: Sequence[Found]) -> np.ndarray:
    """float64 (n, 7): image, x, y, width, height, score, label."""
    rows = [
        (image + 1, *box[:2], *(box[2:] - box[:2]), score, label)
        for image, found in enumerate(founds)
        for box, score, label in zip(found.boxes.astype(np.float64), found.scores, found.labels, strict=True)
    ]
    return np.asarray(rows, np.float64).reshape(-1, 7)


def _evaluated(
    truths: Sequence[Truth], founds: Sequence[Found], classes: int, recalls: np.ndarray | None
) -> Any:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise InputError("COCO's scores need pycocotools: pip install fermatnet[detect]") from error
    with redirect_stdout(StringIO()):
        there = COCO()
        there.dataset = _dataset(truths, classes)
        there.createIndex()
        judge = COCOeval(there, there.loadRes(_rows(founds)), "bbox")
        if recalls is not None:
            judge.params.recThrs = recalls
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def coco_scores(truths: Sequence[Truth], founds: Sequence[Found], classes: int) -> dict[str, float]:
    """{"ap", "ap50", "ap75", "ap_small", ...}, -1 where there is no such object; crowds and difficult objects
    count for nothing. 0 everywhere where nothing is found."""
    if not sum(len(found.labels) for found in founds):
        return dict.fromkeys(_KEYS, 0.0)
    judge = _evaluated(truths, founds, classes, None)
    return dict(zip(_KEYS, (float(value) for value in judge.stats), strict=False))


def coco_precision(
    truths: Sequence[Truth], founds: Sequence[Found], classes: int, recalls: Sequence[float]
) -> np.ndarray:
    """float64 (recalls, classes): the best precision at these recalls and beyond, at overlap 0.5, of at most
    100 detections an image; VOC 2007's eleven points are 0, 1/10, ..., 1."""
    judge = _evaluated(truths, founds, classes, np.asarray(recalls, np.float64))
    return judge.eval["precision"][0, :, :, 0, -1]
