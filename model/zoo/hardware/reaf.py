"""REAF networks (chapter 6) from the layers of a quantization scheme, with every convolution that the plain
form has: 53 for depth 50.

Blocks are pre-activated, so that each convolution finds a norm and an activation of the scheme before it; the
shortcut of a stage's first block is a strided 1x1 convolution of the scheme.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.zoo.hardware.blocks import BITS, FRACTION, StagedNetwork
from fermatnet.model.zoo.hardware.layers import convolution, reaf_hardware
from fermatnet.model.zoo.reaf import template

__all__ = ["HardwareREAFNet"]


class _Block(nn.Module):
    """(norm, activation, convolution) two or three times, norm in fixed point, and the shortcut."""

    def __init__(self, how: Scheme, channels: int, convolutions: Sequence[nn.Module], stride: int) -> None:
        super().__init__()
        self.acts = nn.ModuleList()
        inputs = channels
        for conv in convolutions:
            self.acts.append(how.norm_activation(inputs))
            inputs = conv.out_channels  # type: ignore[assignment]
        self.convs = nn.ModuleList(convolutions)
        self.norm = how.fixed_norm(inputs, bits=BITS, fraction=FRACTION)
        self.down: nn.Module | None = None
        if stride != 1 or inputs != channels:
            self.down = nn.Sequential(
                convolution(how, channels, inputs, 1, stride=stride),
                how.fixed_norm(inputs, bits=BITS, fraction=FRACTION),
            )

    def forward(self, x: Tensor) -> Tensor:
        first = y = self.acts[0](x)
        y = self.convs[0](y)
        for act, conv in zip(self.acts[1:], self.convs[1:], strict=True):
            y = conv(act(y))
        return self.norm(y) + (x if self.down is None else self.down(first))


class HardwareREAFNet(StagedNetwork):
    """REAF blocks of two or three convolutions, all widths doubled at every stage.

    Parameters
    ----------
    scheme : template G_I-G_M-G_O
    width : channels of the stem
    inner, middle : channels before and after the 3x3 convolution of the first stage (C and C' of table 6.3)
    outer : channels that its blocks give on; None: ``width``
    bottleneck : 1x1, REAF 3x3, 1x1; else two REAF 3x3 of ``inner`` channels
    blocks : a stage
    """

    def __init__(
        self,
        how: Scheme,
        *,
        scheme: str = "4-3-4",
        width: int = 16,
        inner: int = 8,
        middle: int = 8,
        outer: int | None = None,
        bottleneck: bool = True,
        blocks: Sequence[int] = (1, 1),
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        stride: int | None = None,
    ) -> None:
        merged = template(scheme)
        outer = (width if bottleneck else inner) if outer is None else outer
        body: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(blocks):
            narrow, wide, out = inner << stage, middle << stage, outer << stage
            for index in range(count):
                step = 2 if stage and index == 0 else 1
                layers: list[nn.Module]
                if bottleneck:
                    layers = [
                        convolution(how, channels, narrow, 1, stride=step),
                        reaf_hardware(how, narrow, wide, 3, *merged),
                        convolution(how, wide, out, 1),
                    ]
                else:
                    layers = [
                        reaf_hardware(how, channels, narrow, 3, *merged, stride=step),
                        reaf_hardware(how, narrow, out, 3, *merged),
                    ]
                body.append(_Block(how, channels, layers, step))
                channels = out
        super().__init__(how, body, channels, width, classes, shape, bits, stride)
