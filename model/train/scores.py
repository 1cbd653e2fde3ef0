"""What a network is worth on a part of a dataset: logits, Top-1, Top-5, shared out over the processes of a
run."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.train.data import Part
from fermatnet.model.train.processes import add_up
from fermatnet.model.train.targets import Targets

__all__ = ["accuracy", "chunks", "logits", "scores"]


def chunks(part: Any, size: int, rank: int = 0, world: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """(images, labels) of every world-th image of a part in memory or of a streamed one, ``size`` at a
    time."""
    if not isinstance(part, Part):
        yield from part.chunks(size, rank, world)
        return
    images, labels = part.images[rank::world], part.labels[rank::world]
    for start in range(0, len(labels), size):
        pixels = torch.from_numpy(images[start : start + size].copy())
        yield pixels, torch.from_numpy(labels[start : start + size])


@torch.no_grad()
def logits(model: nn.Module, part: Part, batch: int = 500) -> Tensor:
    """Outputs (n, classes) in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    return torch.cat([model(images.to(device)).float().cpu() for images, _ in chunks(part, batch)])


def _side(part: Any) -> int:
    shape = part.images.shape[-2:] if isinstance(part, Part) else (part.recipe.size,) * 2
    return int(shape[0] * shape[1])


@torch.no_grad()
def scores(
    model: nn.Module, part: Any, rank: int = 0, world: int = 1, targets: Targets | None = None
) -> dict[str, float]:
    """{"top1", "top5" where there are more than five classes, "images"}: shares of the part's images, those
    that cannot be read not counted. Every process of a run has to call it, and gets the sums of all.

    Of other ``targets`` than one class a sample "top1" is their score, and values have "rmse" too.
    """
    model.eval()
    if targets is not None and not targets.plain_classes:
        outputs, labels = logits(model, part), torch.from_numpy(part.labels)
        shares = {"top1": targets.score(outputs, labels), "images": float(len(labels))}
        return shares | ({"rmse": targets.error(outputs, labels)} if targets.real else {})
    device = next(model.parameters()).device
    counts = torch.zeros(3, dtype=torch.float64)
    classes = 0
    size = max(1, min(500, 500 * 4096 // max(4096, _side(part))))
    for images, labels in chunks(part, size, rank, world):
        if not len(labels):
            continue
        outputs = model(images.to(device)).float().cpu()
        classes = outputs.shape[1]
        first = outputs.argmax(1) == labels
        best = outputs.topk(min(5, classes), 1).indices
        hits = (best == labels[:, None]).any(1)
        counts += torch.tensor([float(first.sum()), float(hits.sum()), float(len(labels))]).double()
    first_right, among, seen = add_up(counts, world, device).tolist()
    shares = {"top1": first_right / max(1.0, seen), "images": seen}
    return shares | ({"top5": among / max(1.0, seen)} if classes > 5 else {})


def accuracy(model: nn.Module, part: Any) -> float:
    """Share of images whose largest output is at the label."""
    return scores(model, part)["top1"]
