"""What a detector is trained towards, as `fermatnet.model.train.loop.Phase` asks for it."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fermatnet.model.detect.boxes.matching import multibox_loss, targets
from fermatnet.model.train.targets import Targets

__all__ = ["Boxes"]


@dataclass(frozen=True)
class Boxes(Targets):
    """Objects as `fermatnet.model.detect.data.batches.packed` gives them, against ``priors`` (P, 4).

    ``classes``: without the background; ``threshold``: overlap from which a prior answers for an object;
    ``negatives``: background priors a positive one.
    """

    priors: Tensor | None = None
    threshold: float = 0.5
    negatives: int = 3

    def _wanted(self, objects: Tensor) -> tuple[Tensor, Tensor]:
        """(classes (n, P), codes (n, P, 4)) of objects (n, most, 6)."""
        assert self.priors is not None
        priors = self.priors.to(objects.device)
        made = []
        for rows in objects:
            rows = rows[rows[:, 4] > 0]
            made.append(targets(rows[:, :4], rows[:, 4].long(), rows[:, 5] > 0, priors, self.threshold))
        return torch.stack([one for one, _ in made]), torch.stack([one for _, one in made])

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """The loss of SSD; outputs (n, P, classes + 5)."""
        classes, codes = self._wanted(labels)
        scores, found = outputs[..., :-4], outputs[..., -4:]
        return multibox_loss(scores, found, classes, codes, ratio=self.negatives, smoothing=smoothing)

    def follow(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Against a teacher's rows: divergence of the classes and smooth L1 of the codes, each prior weighed
        by the share that the teacher gives to objects, so that the background does not drown them."""
        wanted = functional.log_softmax(teacher[..., :-4] / temperature, -1)
        found = functional.log_softmax(outputs[..., :-4] / temperature, -1)
        objects = 1 - functional.softmax(teacher[..., :-4], -1)[..., 0]
        weight = objects + 0.01
        apart = (wanted.exp() * (wanted - found)).sum(-1) * temperature**2
        place = functional.smooth_l1_loss(outputs[..., -4:], teacher[..., -4:], reduction="none").sum(-1)
        return ((apart * weight).sum() + (place * objects).sum()) / objects.sum().clamp(min=1)

    def right(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Number of images times the share of positive priors whose class is right."""
        classes, _ = self._wanted(labels)
        positive = classes > 0
        hits = (outputs[..., :-4].argmax(-1) == classes) & positive
        return len(labels) * hits.sum() / positive.sum().clamp(min=1)
