"""A single-shot detector: stages of a backbone, each of whose maps two heads read.

The network returns maps alone, ``{"classes0": (n, A (K + 1), h, w), "boxes0": (n, 4 A, h, w), ...}``, which
hardware gives as several outputs; `joined` makes of them one row a prior.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from fermatnet.model.detect.boxes.priors import Level, priors
from fermatnet.model.errors import InputError

__all__ = ["Detector", "Joined", "joined", "map_sizes"]


class Detector(nn.Module):
    """``stages`` one after the other, their outputs read by ``classes`` and ``boxes``, a head a stage.

    Members
    -------
    image : (C, H, W);  levels : of the priors, one a stage;  labels : number of classes without the
    background;  priors : float32 (P, 4), centres;  maps : (height, width) of each stage's map;  norms : what
    the heads of each stage see its map through, attention for instance, None for the map itself
    """

    convention = "plain"
    priors: Tensor

    def __init__(
        self,
        stages: Sequence[nn.Module],
        classes: Sequence[nn.Module],
        boxes: Sequence[nn.Module],
        levels: Sequence[Level],
        image: tuple[int, int, int],
        labels: int,
        *,
        clip: bool = False,
        norms: Sequence[nn.Module | None] = (),
    ):
        super().__init__()
        if not len(stages) == len(classes) == len(boxes) == len(levels):
            raise InputError(
                f"{len(stages)} stages, {len(classes)} and {len(boxes)} heads and {len(levels)} levels: as "
                "many of each are needed"
            )
        self.stages, self.classes, self.boxes = map(nn.ModuleList, (stages, classes, boxes))
        seen = norms or [None] * len(stages)
        self.seen = nn.ModuleList([nn.Identity() if one is None else one for one in seen])
        self.image, self.labels, self.levels = tuple(image), labels, tuple(levels)
        self.maps = map_sizes(stages, image)
        with torch.device("cpu"):
            made = priors(levels, self.maps, (image[1], image[2]), clip=clip)
        self.register_buffer("priors", made, persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found = {}
        for number, stage in enumerate(self.stages):
            x = stage(x)
            y = self.seen[number](x)
            found[f"classes{number}"] = self.classes[number](y)
            found[f"boxes{number}"] = self.boxes[number](y)
        return found


@torch.no_grad()
def map_sizes(stages: Sequence[nn.Module], image: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
    """(height, width) of the map of each stage, found without arithmetic; InputError where the image is too
    small."""
    shapes = []
    x = torch.empty((1, *image), device="meta")
    try:
        for stage in stages:
            x = deepcopy(stage).to("meta").eval()(x)
            shapes.append((int(x.shape[2]), int(x.shape[3])))
    except RuntimeError as error:
        raise InputError(
            f"an image of {'x'.join(map(str, image))} is too small for this detector: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return tuple(shapes)


def joined(maps: Mapping[str, Tensor], labels: int) -> Tensor:
    """(n, P, labels + 1 + 4) of a detector's maps: scores, the background first, then codes, prior after
    prior in the order of `fermatnet.model.detect.boxes.priors.priors`."""
    rows = []
    for number in range(len(maps) // 2):
        both = ((f"classes{number}", labels + 1), (f"boxes{number}", 4))
        parts = [maps[key].permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, size)) for key, size in both]
        rows.append(torch.cat([part.float() for part in parts], 2))
    return torch.cat(rows, 1)


class Joined(nn.Module):
    """A detector as training and evaluation take it: raw pixels in, one row a prior out."""

    def __init__(self, network: nn.Module, labels: int):
        super().__init__()
        self.network, self.labels = network, labels

    def forward(self, x: Tensor) -> Tensor:
        return joined(self.network(x), self.labels)
