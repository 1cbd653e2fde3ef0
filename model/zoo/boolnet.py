"""BoolNet (Guo et al., "BoolNet: Minimizing the Energy Consumption of Binary Neural Networks", 2021): feature
maps and shortcuts of one bit, joined by logic in the place of sums of real numbers.

A block, with bits x that come in and r = x, or sign(norm(1x1 conv(x))) where the shape changes::

    y = sign(norm(3x3 conv(x))) XNOR r
    z = sign(norm(3x3 conv(y))) OR r

With ``split`` as in the paper z is joined with r along the channels and both are shuffled, and the next block
of the same width computes on the first half and hands the other half on; every block but the last hands out
twice its width then. One slice a map (the paper's k = 1); its last block, which is real-valued there, ends in
bits here like the others.

``joins="sum"`` is the same network, convolution by convolution, with shortcuts of fixed-point numbers: y and
z are norms in 10 bits added to r (Bi-Real Net's shortcut around every convolution), and the sign stands
before each convolution.
"""

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.layers import PixelScale
from fermatnet.model.nn.moves import Gather
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.zoo import register
from fermatnet.model.zoo.summed import SummedClassifier

__all__ = ["BoolNet", "LogicBlock", "SumBlock"]

JOINS = ("logic", "sum")


class LogicBlock(nn.Module):
    """Bits (n, ``inputs``, H, W) to bits (n, ``outputs``, ...), twice as many channels where it is ``split``
    and not the ``last``."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, how: Scheme, split: bool = False, last: bool = False
    ):
        super().__init__()
        halved = split and stride == 1 and inputs == 2 * outputs
        taken = outputs if halved else inputs
        self.conv1 = how.conv(taken, outputs, 3, stride=stride)
        self.act1 = how.norm_activation(outputs)
        self.join1 = how.join("xnor")
        self.conv2 = how.conv(outputs, outputs, 3)
        self.act2 = how.norm_activation(outputs)
        self.join2 = how.join("or")
        changed = stride != 1 or taken != outputs
        self.down = (
            nn.Sequential(how.conv(taken, outputs, 1, stride=stride), how.norm_activation(outputs))
            if changed
            else None
        )
        self.first = Gather(range(outputs)) if halved else None
        self.second = Gather(range(outputs, 2 * outputs)) if halved and not last else None
        shuffled = [half * outputs + c for c in range(outputs) for half in (0, 1)]
        self.shuffle = Gather(shuffled) if split and not last else None
        self.outputs = outputs if self.shuffle is None else 2 * outputs

    def forward(self, x: Tensor) -> Tensor:
        kept = None if self.second is None else self.second(x)
        x = x if self.first is None else self.first(x)
        shortcut = x if self.down is None else self.down(x)
        y = self.join1(self.act1(self.conv1(x)), shortcut)
        z = self.join2(self.act2(self.conv2(y)), shortcut)
        if self.shuffle is None:
            return z
        return self.shuffle(torch.cat([z, shortcut if kept is None else kept], 1))


class SumBlock(nn.Module):
    """The same with fixed-point numbers between the convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, how: Scheme):
        super().__init__()
        self.act1 = how.activation()
        self.conv1 = how.conv(inputs, outputs, 3, stride=stride)
        self.norm1 = how.fixed_norm(outputs)
        self.act2 = how.activation()
        self.conv2 = how.conv(outputs, outputs, 3)
        self.norm2 = how.fixed_norm(outputs)
        self.down = (
            nn.Sequential(how.conv(inputs, outputs, 1, stride=stride), how.fixed_norm(outputs))
            if stride != 1 or inputs != outputs
            else None
        )
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        a = self.act1(x)
        y = self.norm1(self.conv1(a)) + (x if self.down is None else self.down(a))
        return y + self.norm2(self.conv2(self.act2(y)))


class BoolNet(SummedClassifier):
    """Stem (a convolution of 8-bit weights), blocks by stage, sum over the map, 8-bit rescale, dense layer.
    ``how`` None: scheme sign.

    Raises InputError for joins that are none, and for a split of sums.
    """

    def __init__(
        self,
        how: Scheme | None = None,
        classes: int = 10,
        shape: tuple[int, int, int] = (1, 28, 28),
        bits: int = 8,
        width: int = 16,
        blocks: int = 1,
        stages: int = 3,
        joins: str = "logic",
        split: bool = False,
    ):
        super().__init__()
        if joins not in JOINS:
            raise InputError(f"joins must be one of {', '.join(JOINS)}, not {joins!r}")
        if split and joins == "sum":
            raise InputError("split is of joins=logic: leave it out with joins=sum")
        how = scheme("sign") if how is None else how
        kernel, stride = (5, 2) if min(shape[1:]) >= 28 else (3, 1)
        self.pixels = PixelScale(bits)
        self.conv0 = how.stem(shape[0], width, kernel, stride=stride, bits=bits)
        logic = joins == "logic"
        self.norm0 = how.norm_activation(width) if logic else how.fixed_norm(width)
        made: list[nn.Module] = []
        channels = width
        for stage in range(stages):
            for place in range(blocks):
                step = 2 if stage and not place else 1
                last = stage == stages - 1 and place == blocks - 1
                block = (
                    LogicBlock(channels, width << stage, step, how, split, last)
                    if logic
                    else SumBlock(channels, width << stage, step, how)
                )
                made.append(block)
                channels = block.outputs
        self.blocks = nn.Sequential(*made)
        self.act = nn.Identity() if logic else how.activation()
        self.end(how, channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.blocks(self.norm0(self.conv0(self.pixels(image))))
        return self.classify(self.act(x))


register(
    "boolnet",
    BoolNet,
    "BoolNet, 1-bit shortcuts joined by logic, for 28x28 or 32x32 images; options joins, split",
)
