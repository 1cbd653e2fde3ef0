"""The end of networks that are made for hardware: sum over the map, 8-bit rescale, dense layer."""

from torch import Tensor, nn

from fermatnet.model.nn.layers import SumPool
from fermatnet.model.nn.scheme import Scheme

__all__ = ["SummedClassifier"]


class SummedClassifier(nn.Module):
    """Base of a network whose last map is summed up and classified: a subclass makes its own layers, then
    calls `end`, and `classify` in its forward pass."""

    def end(self, how: Scheme, channels: int, classes: int) -> None:
        """Makes the last layers: maps of ``channels`` to scores of ``classes``."""
        self.sum = SumPool()
        self.scale = how.rescale(bits=8)
        self.flatten = nn.Flatten()
        self.dense = how.dense(channels, classes)

    def classify(self, maps: Tensor) -> Tensor:
        """Scores (n, classes) of maps (n, channels, H, W)."""
        return self.dense(self.flatten(self.scale(self.sum(maps))))
