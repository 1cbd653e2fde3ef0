"""Which prior answers for which object, and the loss of a batch (Liu et al. 2016, section 2.2)."""

import torch
from torch import Tensor
from torch.nn import functional

from fermatnet.model.detect.boxes.geometry import as_corners, encode, overlaps

__all__ = ["hard_negatives", "match", "multibox_loss", "targets"]


def match(corners: Tensor, priors: Tensor, threshold: float = 0.5) -> Tensor:
    """int64 (P,): for each prior the number of the object that it answers for, -1 for none.

    corners: objects (n, 4);  priors: centres (P, 4). Every object gets the prior that overlaps it most (two
    objects that share one: the later), and a prior its best object where they overlap by ``threshold`` or
    more.
    """
    if not len(corners):
        return torch.full((len(priors),), -1, dtype=torch.int64, device=priors.device)
    shared = overlaps(corners, as_corners(priors))
    best, owner = shared.max(0)
    owner = owner.masked_fill(best < threshold, -1)
    for number, place in enumerate(shared.argmax(1).tolist()):
        owner[place] = number
    return owner


def hard_negatives(loss: Tensor, positive: Tensor, ignored: Tensor, ratio: int = 3) -> Tensor:
    """bool (n, P): of each image the background priors of the largest ``loss`` (n, P), ``ratio`` times as
    many as it has positive ones; ``ignored`` priors are neither."""
    open_ones = ~(positive | ignored)
    ranked = loss.detach().masked_fill(~open_ones, -1.0).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(ranked)
    rank.scatter_(1, ranked, torch.arange(loss.shape[1], device=loss.device).expand_as(ranked))
    wanted = torch.minimum(ratio * positive.sum(1), open_ones.sum(1))
    return (rank < wanted[:, None]) & open_ones


def multibox_loss(
    scores: Tensor,
    codes: Tensor,
    classes: Tensor,
    wanted: Tensor,
    *,
    ratio: int = 3,
    smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy over positives and hard negatives plus smooth L1 over positives, a positive each.

    scores: (n, P, classes + 1), the background first;  codes: (n, P, 4);  classes: int64 (n, P), 0 for
    background, -1 for priors that count for nothing;  wanted: codes (n, P, 4) of the positives.
    """
    positive, ignored = classes > 0, classes < 0
    plain = functional.cross_entropy(scores.transpose(1, 2), classes.clamp(min=0), reduction="none")
    chosen = positive | hard_negatives(plain, positive, ignored, ratio)
    if smoothing:
        plain = functional.cross_entropy(
            scores.transpose(1, 2), classes.clamp(min=0), reduction="none", label_smoothing=smoothing
        )
    place = functional.smooth_l1_loss(codes[positive], wanted[positive], reduction="sum")
    count = positive.sum().clamp(min=1)
    return ((plain * chosen).sum() + place) / count


def targets(
    corners: Tensor, labels: Tensor, left_out: Tensor, priors: Tensor, threshold: float = 0.5
) -> tuple[Tensor, Tensor]:
    """(classes int64 (P,), codes (P, 4)) of one image: objects (n, 4), their labels from 1 and whether they
    are ``left_out`` (crowds, difficult ones): their priors count for nothing."""
    owner = match(corners, priors, threshold)
    if not len(corners):
        return torch.zeros_like(owner), torch.zeros_like(priors)
    mine = owner.clamp(min=0)
    classes = torch.where(left_out, -1, labels)[mine].masked_fill(owner < 0, 0)
    return classes, encode(corners[mine], priors)
