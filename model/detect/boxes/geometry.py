"""Boxes as corners (x1, y1, x2, y2) or as centres (cx, cy, w, h), in units of the image: 0 to 1 across it."""

import torch
from torch import Tensor

__all__ = ["VARIANCES", "areas", "as_centres", "as_corners", "decode", "encode", "overlaps"]

VARIANCES = (0.1, 0.2)
"""Units of a coded centre and of a coded size (Liu et al. 2016, their code)."""


def as_centres(corners: Tensor) -> Tensor:
    """(..., 4) corners as centres and sizes."""
    low, high = corners[..., :2], corners[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def as_corners(centres: Tensor) -> Tensor:
    """(..., 4) centres and sizes as corners."""
    middle, half = centres[..., :2], centres[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def areas(corners: Tensor) -> Tensor:
    """(...,) areas of (..., 4) corners; 0 where a box is turned inside out."""
    return (corners[..., 2:] - corners[..., :2]).clamp(min=0).prod(-1)


def overlaps(a: Tensor, b: Tensor) -> Tensor:
    """(n, m): intersection over union of each of n corners (n, 4) with each of m (m, 4); 0 of two empty
    ones."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = areas(a)[:, None] + areas(b)[None] - shared
    return shared / union.clamp(min=1e-12)


def encode(corners: Tensor, priors: Tensor) -> Tensor:
    """What the network learns of boxes (..., 4, corners) against their priors (..., 4, centres): distances of
    the centres in sizes of the prior and logarithms of the sizes' ratios, in units of `VARIANCES`
    (Liu et al. 2016, equation 2)."""
    boxes = as_centres(corners)
    shift = (boxes[..., :2] - priors[..., :2]) / (priors[..., 2:] * VARIANCES[0])
    return torch.cat([shift, (boxes[..., 2:] / priors[..., 2:]).log() / VARIANCES[1]], -1)


def decode(codes: Tensor, priors: Tensor) -> Tensor:
    """Corners (..., 4) of codes (..., 4); the inverse of `encode`."""
    middle = priors[..., :2] + codes[..., :2] * VARIANCES[0] * priors[..., 2:]
    sizes = priors[..., 2:] * (codes[..., 2:] * VARIANCES[1]).exp()
    return as_corners(torch.cat([middle, sizes], -1))
