"""First and last layers shared by the networks of chapters 4 to 7, and the real-valued downsampling between
stages."""

from torch import Tensor, nn

from fermatnet.model.errors import InputError

__all__ = ["Classifier", "Downsample", "check_input", "stem"]

SMALL_IMAGE = 64
"""Images whose shorter side is at most this get the 3x3 stem of the CIFAR networks; larger ones 7x7, stride
2, and a pool."""


def check_input(input_shape: tuple[int, int, int], classes: int) -> tuple[int, int, int]:
    """The image shape (C, H, W), all positive, and at least two classes; `InputError` otherwise."""
    shape = tuple(int(size) for size in input_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            f"input shape must be three positive sizes CxHxW, not {'x'.join(str(s) for s in input_shape)}"
        )
    if classes < 2:
        raise InputError(f"classes must be at least 2, not {classes}")
    return shape[0], shape[1], shape[2]


def stem(input_shape: tuple[int, int, int], width: int, *, relu: bool = True) -> nn.Sequential:
    """Real-valued first convolution to ``width`` channels: 7x7 stride 2 and 3x3 max pool, or 3x3 for small
    images.

    ``relu`` False: for networks whose next layer takes signs, as Bi-Real Net's code has it; after a rectifier
    every sign would be +1.
    """
    channels, height, side = input_shape
    small = min(height, side) <= SMALL_IMAGE
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, 3, padding=1, bias=False)
        if small
        else nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(width),
    ]
    if relu:
        layers.append(nn.ReLU())
    if not small:
        layers.append(nn.MaxPool2d(3, stride=2, padding=1))
    return nn.Sequential(*layers)


class Downsample(nn.Sequential):
    """Halve the map and change the channels: 2x2 average pool, real 1x1 convolution, batch norm."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )


class Classifier(nn.Module):
    """Global average pool and a real-valued fully connected layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(x).flatten(1))
