"""AW-convolution (chapter 7): a convolution whose weights are attended, sample by sample, by maps of their
own shape.

    A = Expand(sigmoid(BN(Pointconv2(relu(BN(Pointconv1(AvgPool_{h x w}(I))))))))      (7.7), (7.8)
    AK = K + A * K,   O[n] = conv(I[n], AK[n])                                          (7.5)

Every image has its own kernel, so the weights of this layer are data: it cannot be folded into constant
memories, and an export is refused by the layer's name with that reason.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import refuse_tracing

__all__ = ["AWConv2d", "added_parameters", "aw_convolution"]


def added_parameters(
    channels_in: int, channels_out: int, reduction: int = 16, expand: int | None = None
) -> int:
    """P_AW of (7.9), expanding by ``expand`` = r_C1 (default: all input channels, which gives (7.11))."""
    wide = channels_out * channels_in // (channels_in if expand is None else expand)
    return wide * wide // reduction + channels_in * wide // reduction + 2 * wide // reduction + 2 * wide


class AWConv2d(nn.Module):
    """Attentional-weights convolution; drop-in for ``Conv2d(channels_in, channels_out, kernel)`` with same
    padding.

    Parameters: expand_in = r_C1 (maps shared by so many input channels; None: all), expand_out = r_C2
    (likewise for output channels), expand_kernel = r_hw (True: one value for the whole kernel), reduction = r
    between the pointwise convolutions, which have a bias or not, residual: AK = K + A*K, otherwise A*K. Input
    (n, C1, H, W), output (n, C2, H', W').
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        expand_in: int | None = None,
        expand_out: int = 1,
        expand_kernel: bool = False,
        reduction: int = 16,
        residual: bool = True,
        pointwise_bias: bool = False,
    ) -> None:
        super().__init__()
        expand_in = channels_in if expand_in is None else expand_in
        if expand_in < 1 or channels_in % expand_in or expand_out < 1 or channels_out % expand_out:
            raise InputError(
                f"AW-convolution: r_C1={expand_in} must divide {channels_in} input and r_C2={expand_out} "
                f"{channels_out} output channels"
            )
        if reduction < 1:
            raise InputError(f"AW-convolution: r must be positive, not {reduction}")
        self.channels_in, self.channels_out, self.kernel = channels_in, channels_out, kernel
        self.stride, self.dilation, self.padding = stride, dilation, dilation * (kernel - 1) // 2
        self.expand_in, self.expand_out, self.residual = expand_in, expand_out, residual
        self.side = 1 if expand_kernel else kernel
        maps = (channels_in // expand_in) * (channels_out // expand_out)
        hidden = max(1, maps // reduction)
        self.maps, self.hidden = maps, hidden
        self.conv = nn.Conv2d(
            channels_in,
            channels_out,
            kernel,
            stride=stride,
            padding=self.padding,
            dilation=dilation,
            bias=False,
        )
        self.pool = nn.AdaptiveAvgPool2d(self.side)
        self.attend = nn.Sequential(
            nn.Conv2d(channels_in, hidden, 1, bias=pointwise_bias),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, maps, 1, bias=pointwise_bias),
            nn.BatchNorm2d(maps),
            nn.Sigmoid(),
        )

    def attention(self, x: Tensor) -> Tensor:
        """A, (n, C2, C1, h, w): attention maps of the shape of the weights, by (7.7) and (7.8)."""
        maps = self.attend(self.pool(x))
        rows, columns = self.channels_out // self.expand_out, self.channels_in // self.expand_in
        maps = maps.reshape(-1, rows, 1, columns, 1, self.side, self.side)
        maps = maps.expand(-1, rows, self.expand_out, columns, self.expand_in, self.side, self.side)
        maps = maps.reshape(-1, self.channels_out, self.channels_in, self.side, self.side)
        return maps.expand(-1, -1, -1, self.kernel, self.kernel)

    def attended_weights(self, x: Tensor) -> Tensor:
        """AK, (n, C2, C1, h, w)."""
        attended = self.attention(x) * self.conv.weight
        return attended + self.conv.weight if self.residual else attended

    def forward(self, x: Tensor) -> Tensor:
        refuse_tracing(
            x,
            self,
            "an AW-convolution's weights are computed from every image, the hardware holds weights in "
            "constant memories",
        )
        batch = x.shape[0]
        weight = self.attended_weights(x)
        if x.device.type == "meta":
            # shapes and the cost of the plain convolution; the maps' cost is counted on its own
            return self.conv(x)
        y = functional.conv2d(
            x.reshape(1, batch * self.channels_in, *x.shape[2:]),
            weight.reshape(-1, self.channels_in, self.kernel, self.kernel),
            None,
            self.stride,
            self.padding,
            self.dilation,
            batch,
        )
        return y.reshape(batch, self.channels_out, *y.shape[2:])

    def extra_operations(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int:
        """Of F_AW (7.10) what its two pointwise convolutions do not count: pooling, norms and activations,
        A*K."""
        maps, hidden = self.maps, self.hidden
        area = self.side * self.side
        pooled = input_shape[0] * input_shape[1] * input_shape[2]
        return (
            pooled
            + 5 * area * (maps + hidden)
            + self.channels_in * self.channels_out * self.kernel * self.kernel
        )

    def per_sample(self, x: Tensor) -> Tensor:
        """The same by a loop over images and the definition (7.5); for checking."""
        weight = self.attended_weights(x)
        return torch.cat(
            [
                functional.conv2d(x[n : n + 1], weight[n], None, self.stride, self.padding, self.dilation)
                for n in range(x.shape[0])
            ]
        )


def aw_convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1, **options) -> nn.Module:
    """Factory for the networks: an AW-convolution, with fewer than 16-fold reduction where there are fewer
    maps."""
    return AWConv2d(channels_in, channels_out, kernel, stride=stride, **options)
