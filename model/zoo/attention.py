"""Attention modules the AW-convolution joins: squeeze-and-excitation, CBAM in its three forms."""

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError

__all__ = ["CBAM", "SqueezeExcitation"]


def _hidden(channels: int, reduction: int) -> int:
    if channels < 1 or reduction < 1:
        raise InputError(f"channels and reduction must be positive, not {channels} and {reduction}")
    return max(1, channels // reduction)


class SqueezeExcitation(nn.Module):
    """``x * sigmoid(W2 relu(W1 mean(x)))``, a factor for each channel; both layers with bias (7.13)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = _hidden(channels, reduction)
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        factor = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * factor[:, :, None, None]

    def extra_operations(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Of F_SE (7.12) what the fully connected layers do not count: pool, scale, ReLU, sigmoid."""
        channels, height, width = input_shape
        return 2 * height * width * channels + self.fc1.out_features + channels


class CBAM(nn.Module):
    """Channel, then spatial attention. form "full"; "maxpool": channel attention of means and maxima, no
    spatial map;
    "spatial": channel attention of the means alone, and the spatial map.
    """

    def __init__(self, channels: int, reduction: int = 16, form: str = "full") -> None:
        super().__init__()
        if form not in ("full", "maxpool", "spatial"):
            raise InputError(f"CBAM's form must be full, maxpool or spatial, not {form!r}")
        hidden = _hidden(channels, reduction)
        self.form = form
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        if form != "maxpool":
            self.spatial = nn.Sequential(
                nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1), nn.Sigmoid()
            )

    def _channels(self, pooled: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(pooled)))

    def forward(self, x: Tensor) -> Tensor:
        factor = self._channels(x.mean(dim=(2, 3)))
        if self.form != "spatial":
            factor = factor + self._channels(x.amax(dim=(2, 3)))
        x = x * torch.sigmoid(factor)[:, :, None, None]
        if self.form == "maxpool":
            return x
        return x * self.spatial(torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1))

    def extra_operations(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Of F_CBAM (7.14) what its layers do not count."""
        channels, height, width = input_shape
        return 6 * height * width * channels + 2 * self.fc1.out_features + 2 * channels + 7 * height * width
