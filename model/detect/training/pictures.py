"""What a network in training finds, drawn in images of a split: for TensorBoard."""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from fermatnet.model.detect.boxes.suppression import Rule
from fermatnet.model.detect.data.items import BoxSet
from fermatnet.model.detect.data.pictures import open_picture
from fermatnet.model.detect.drawing import drawn, mosaic
from fermatnet.model.detect.scoring.measure import found_in

__all__ = ["COUNT", "SCORE", "detected"]

COUNT, SCORE = 4, 0.4
"""Images in one drawing, and the least score shown."""


def detected(
    model: nn.Module, part: BoxSet, image: tuple[int, int], priors: Tensor, count: int = COUNT
) -> Any:
    """One Pillow picture of the first ``count`` images of ``part`` with what ``model`` finds there.

    model : gives rows as `fermatnet.model.detect.networks.detector.joined` has them;  image : (height, width)
    that it takes;  priors : (P, 4).
    """
    few = replace(part, items=part.items[:count])
    made = []
    for item, found in zip(few.items, found_in(model, few, image, priors, Rule(score=SCORE)), strict=True):
        labels, scores = found.labels.tolist(), found.scores.tolist()
        made.append(drawn(open_picture(item.path), found.boxes, labels, part.classes, scores))
    return mosaic(made)
