"""Samples of networks with several inputs: one tensor a name, cut and handed on together."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor, nn

__all__ = ["Batch", "Samples", "called", "each", "parts_of"]


class Samples:
    """``parts``: tensors (n, ...) by the name of the input, in the order in which the model takes them. It
    has the length, the slices and the pieces that one tensor has."""

    def __init__(self, parts: dict[str, Tensor]):
        self.parts = parts

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    def __getitem__(self, part: slice) -> "Samples":
        return self.map(lambda x: x[part])

    def map(self, function: Callable[[Tensor], Tensor]) -> "Samples":
        """What a function makes of every part."""
        return Samples({name: function(x) for name, x in self.parts.items()})

    def split(self, size: int) -> Iterator["Samples"]:
        """Pieces of ``size`` samples, the last one of the rest."""
        return (self[start : start + size] for start in range(0, len(self), size))


Batch = Tensor | Samples


def parts_of(images: Batch) -> list[Tensor]:
    """The tensors, in the model's order."""
    return [images] if isinstance(images, Tensor) else list(images.parts.values())


def called(model: nn.Module, images: Batch) -> Any:
    """What a model makes of the samples of its inputs."""
    return model(images) if isinstance(images, Tensor) else model(**images.parts)


def each(names: Iterable[str], images: Batch) -> dict[str, Tensor]:
    """The tensor of each input; one input has whatever there is."""
    return images.parts if isinstance(images, Samples) else dict.fromkeys(names, images)
