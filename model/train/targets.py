"""What a network is trained towards: classes, a class for every pixel, or real values; the loss and the score
of each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Targets", "targets_of"]


def targets_of(data: Any) -> "Targets":
    """What the targets of a dataset are; of an image tree, classes."""
    targets = getattr(data, "targets", None)
    return targets if isinstance(targets, Targets) else Targets(len(data.classes))


@dataclass(frozen=True)
class Targets:
    """``shape``: of one sample's target, () for a class; ``mean`` and ``std`` of real values, one for each
    place of the first dimension, from the training part: the network learns (y - mean) / std.

    The network's outputs (n, K) stand for all places: K classes x places, or one value a place.
    """

    classes: int
    shape: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def of(cls, labels: np.ndarray, classes: int) -> "Targets":
        """Of the training part's targets: int64 (n,) or (n, H, W), float (n, K) or (n, C, H, W)."""
        if labels.dtype.kind != "f":
            return cls(classes, labels.shape[1:])
        rows = labels.astype(np.float64).swapaxes(0, 1).reshape(labels.shape[1], -1)
        spread = rows.std(1)
        std = np.where(spread > 0, spread, 1.0)
        return cls(classes, labels.shape[1:], tuple(rows.mean(1).tolist()), tuple(std.tolist()))

    @property
    def real(self) -> bool:
        """Whether values are learned, not classes."""
        return bool(self.mean)

    @property
    def plain_classes(self) -> bool:
        """Whether a sample has one class."""
        return not self.real and not self.shape

    @property
    def metric(self) -> str:
        """What `score` is: the share of right classes, or the coefficient of determination."""
        return "r2" if self.real else "accuracy"

    @property
    def outputs(self) -> int:
        """How many values the network has to give."""
        places = int(np.prod(self.shape, dtype=np.int64))
        return places if self.real else self.classes * places

    def _shaped(self, outputs: Tensor) -> Tensor:
        if self.plain_classes:
            return outputs
        return outputs.reshape(len(outputs), *(() if self.real else (self.classes,)), *self.shape)

    def _normal(self, labels: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (labels.dim() - 2))
        mean, std = (torch.tensor(x, device=labels.device).view(shape) for x in (self.mean, self.std))
        return (labels - mean) / std

    def loss(self, outputs: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """Cross entropy, or the mean square error of normalised values."""
        outputs = self._shaped(outputs)
        if self.real:
            return functional.mse_loss(outputs, self._normal(labels))
        return functional.cross_entropy(outputs, labels, label_smoothing=smoothing)

    def follow(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """The loss against a teacher's outputs."""
        if self.real:
            return functional.mse_loss(outputs, teacher)
        outputs, teacher = self._shaped(outputs) / temperature, self._shaped(teacher) / temperature
        wanted = functional.log_softmax(teacher, 1)
        divergence = functional.kl_div(
            functional.log_softmax(outputs, 1), wanted, reduction="batchmean", log_target=True
        )
        return divergence * temperature**2

    def right(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Of a batch, a number: how many samples' worth of classes are right; of values, the number of
        samples less their normalised square error."""
        outputs = self._shaped(outputs)
        if self.real:
            return len(labels) * (1.0 - (outputs - self._normal(labels)).square().mean())
        return len(labels) * (outputs.argmax(1) == labels).float().mean()

    def score(self, outputs: Tensor, labels: Tensor) -> float:
        """The share of right classes; of values R^2, the share of their variance that is explained, all
        values together after normalisation."""
        if not self.real:
            return float((self._shaped(outputs).argmax(1) == labels).double().mean())
        wanted = self._normal(labels).double()
        wrong = (self._shaped(outputs).double() - wanted).square().sum()
        varying = (wanted - wanted.mean(0, keepdim=True)).square().sum()
        return float(1 - wrong / varying.clamp(min=1e-30))

    def error(self, outputs: Tensor, labels: Tensor) -> float:
        """Root mean square error of values, in their own unit."""
        shape = (1, -1, *[1] * (labels.dim() - 2))
        std = torch.tensor(self.std, dtype=torch.float64).view(shape)
        wrong = (self._shaped(outputs).double() - self._normal(labels).double()) * std
        return float(wrong.square().mean().sqrt())

    def plain(self) -> dict[str, Any]:
        """As a run's config holds it."""
        return {
            "metric": self.metric,
            "classes": self.classes,
            "shape": list(self.shape),
            "mean": list(self.mean),
            "std": list(self.std),
        }
