"""PokeBNN's blocks (Zhang, Zhang, Lew, "PokeBNN: A Binary Pursuit of Lightweight Accuracy", 2022) for small
images.

A block (PokeConv) of maps x in fixed point::

    u = norm(conv(sign(x))) + r,  r = x, its 2x2 averages at stride 2, and twice along the channels where
                                      they double (the paper's reshape-add)
    v = DPReLU(u),  s+ (u - b) where u > b, else s- (u - b)
    y = norm(v * gate(x)),  gate = clip(w2 relu(w1 mean x) + 3, 0, 6): squeeze and excitation in 4 bits

DPReLU is the difference of two rectified ramps, relu(s+ (u - b)) - relu(s- (b - u)) with s+, s- >= 0, each a
fixed-point layer; its second bias, and the 1/6 of the gate, go into the norm behind. The sign's gradient is
that of clip(x, -B, B) with the paper's B = 3.
"""

from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.fixed_point import FixedBias
from fermatnet.model.nn.layers import AvgPool2d, Conv2d, PixelScale, SumPool
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.nn.sign import SignIndex
from fermatnet.model.nn.uniform import UniformWeight
from fermatnet.model.zoo import register
from fermatnet.model.zoo.summed import SummedClassifier

__all__ = ["DPReLU", "PokeBNN", "PokeConv", "Ramp"]

BOUND = 3.0
_GATE_BITS = 4


class Ramp(FixedBias):
    """relu(side |slope| (x - shift)), a slope and a shift a channel, with fixed-point output; ``side`` +1 or
    -1."""

    def __init__(self, slope: nn.Parameter, shift: nn.Parameter, side: int, *, full_precision: bool):
        super().__init__(len(slope), bits=10, fraction=5, signed=False, full_precision=full_precision)
        del self.bias
        self.slope, self.shift, self.side = slope, shift, side

    def real_affine(self) -> tuple[Tensor, Tensor]:
        gain = self.side * self.slope.detach().double().abs()
        return gain, -gain * self.shift.detach().double()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._evaluate(x)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return self._train((x - self.shift.view(shape)) * (self.side * self.slope.abs()).view(shape))


class DPReLU(nn.Module):
    """A rectifier with two slopes and the place of its corner a channel."""

    def __init__(self, channels: int, *, full_precision: bool):
        super().__init__()
        shift = nn.Parameter(torch.zeros(channels))
        above, below = (nn.Parameter(torch.full((channels,), slope)) for slope in (1.0, 0.25))
        self.above = Ramp(above, shift, 1, full_precision=full_precision)
        self.below = Ramp(below, shift, -1, full_precision=full_precision)

    def forward(self, x: Tensor) -> Tensor:
        return self.above(x) - self.below(x)


class _Gate(nn.Module):
    """Squeeze and excitation: (n, C, H, W) to (n, ``outputs``, 1, 1) between 0 and 6, weights and activations
    of 4 bits."""

    def __init__(self, inputs: int, outputs: int, how: Scheme):
        super().__init__()
        inner, real = max(2, inputs // 8), not how.method.exportable
        bits: dict[str, Any] = {"bits": _GATE_BITS, "full_precision": real}
        self.sum = SumPool()
        self.mean = how.rescale(bits=_GATE_BITS)
        self.squeeze = Conv2d(inputs, inner, 1, bias=False, quantizer=self._quantizer(real))
        self.act = FixedBias(inner, signed=False, **bits)
        self.excite = Conv2d(inner, outputs, 1, bias=False, quantizer=self._quantizer(real))
        self.gate = FixedBias(outputs, fraction=1, signed=False, **bits)
        self.gate.ceiling = 6.0
        nn.init.constant_(self.gate.bias, 3.0)

    @staticmethod
    def _quantizer(real: bool) -> UniformWeight | None:
        return None if real else UniformWeight(_GATE_BITS)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.excite(self.act(self.squeeze(self.mean(self.sum(x))))))


class PokeConv(nn.Module):
    """The block: ``inputs`` channels to as many or twice as many, at stride 1 or 2."""

    def __init__(self, inputs: int, outputs: int, stride: int, how: Scheme):
        super().__init__()
        self.sign = how.activation()
        if isinstance(self.sign, SignIndex):
            self.sign.bound = BOUND
        self.conv = how.conv(inputs, outputs, 3, stride=stride)
        self.norm1 = how.fixed_norm(outputs)
        self.pool = nn.Identity() if stride == 1 else AvgPool2d(2)
        self.twice = outputs == 2 * inputs
        self.act = DPReLU(outputs, full_precision=not how.method.exportable)
        self.gate = _Gate(inputs, outputs, how)
        self.norm2 = how.fixed_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        r = self.pool(x)
        r = torch.cat([r, r], 1) if self.twice else r
        u = self.norm1(self.conv(self.sign(x))) + r
        return self.norm2(self.act(u) * self.gate(x))


class PokeBNN(SummedClassifier):
    """Stem (3x3, 8-bit weights), ``blocks`` PokeConvs a stage, sum over the map, 8-bit rescale, dense
    layer. ``how`` None: scheme sign."""

    def __init__(
        self,
        how: Scheme | None = None,
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        width: int = 16,
        blocks: int = 2,
        stages: int = 3,
    ):
        super().__init__()
        least = 1 << stages - 1
        if any(side % least for side in shape[1:]):
            raise InputError(
                f"pokebnn halves its maps {stages - 1} times: sides must be multiples of {least}"
            )
        how = scheme("sign") if how is None else how
        self.pixels = PixelScale(bits)
        self.conv0 = how.stem(shape[0], width, 3, bits=bits)
        self.norm0 = how.fixed_norm(width)
        made: list[nn.Module] = []
        channels = width
        for stage in range(stages):
            for place in range(blocks):
                made.append(PokeConv(channels, width << stage, 2 if stage and not place else 1, how))
                channels = width << stage
        self.blocks = nn.Sequential(*made)
        self.end(how, channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.blocks(self.norm0(self.conv0(self.pixels(image))))
        return self.classify(x)


register("pokebnn", PokeBNN, "PokeBNN's binary blocks with residuals, DPReLU and 4-bit gates, small")
