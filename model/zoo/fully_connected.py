"""The published fully connected topologies for MNIST: TFC (3 hidden layers of 64), SFC (3 of 256), LFC (3 of
1024).

The pixels are quantized like any activation (learned end-points on the grey values), hidden layers are
piecewise-approximated, the last layer is 8-bit integer. In the network file a dense layer is a convolution
with the kernel of the whole map, those after it are 1x1.
"""

from torch import Tensor, nn

from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.zoo import register

__all__ = ["FullyConnected"]


class FullyConnected(nn.Module):
    """pixels -> activation -> (dense, norm, activation) x 3 -> dense."""

    def __init__(
        self,
        how: Scheme,
        width: int,
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
    ):
        super().__init__()
        self.pixels = PixelScale(bits)
        self.act = nn.Identity() if how.full_precision else how.activation()
        self.flatten = nn.Flatten()
        size = shape[0] * shape[1] * shape[2]
        self.hidden = nn.Sequential()
        for number in range(3):
            self.hidden.add_module(f"dense{number}", how.linear(size if number == 0 else width, width))
            self.hidden.add_module(f"act{number}", how.norm_activation(width))
        self.dense = how.dense(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.dense(self.hidden(self.flatten(self.act(self.pixels(image)))))


def _builder(width: int):  # type: ignore[no-untyped-def]
    def build(
        how: Scheme | None = None, classes: int = 10, shape: tuple[int, int, int] = (1, 28, 28), bits: int = 8
    ) -> FullyConnected:
        return FullyConnected(
            scheme("pa", weights=4, activations=3) if how is None else how, width, classes, shape, bits
        )

    return build


register("tfc", _builder(64), "fully connected 64-64-64 for MNIST (TFC)")
register("sfc", _builder(256), "fully connected 256-256-256 for MNIST (SFC)")
register("lfc", _builder(1024), "fully connected 1024-1024-1024 for MNIST (LFC)")
