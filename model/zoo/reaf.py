"""REAF and REAF+ of chapter 6: convolutions whose output channels do not all read the same input.

REAF divides the input channels into G_I groups; each of the G_O = C(G_I, G_M) groups of outputs reads another
combination of G_M of them (6.6). G_M = 1 is group convolution, G_M = G_I ordinary convolution. REAF+ (6.8)
gives each of g_O groups of outputs its own batch norm and ReLU of the same input.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.errors import InputError

__all__ = ["REAFConv2d", "REAFPlus", "combinations", "template"]


def combinations(groups_in: int, merged: int) -> list[tuple[int, ...]]:
    """E_0, E_1, ...: the G_M-combinations of G_I groups in lexicographic order."""
    if groups_in < 1 or not 1 <= merged <= groups_in:
        raise InputError(f"REAF needs 1 <= G_M <= G_I, not G_I={groups_in}, G_M={merged}")
    return list(itertools.combinations(range(groups_in), merged))


def template(text: str) -> tuple[int, int]:
    """``"4-3-4"`` -> (4, 3): G_I and G_M; G_O is checked to be C(G_I, G_M)."""
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise InputError(f"a REAF template is G_I-G_M-G_O, for example 4-3-4, not {text!r}")
    groups_in, merged, groups_out = map(int, parts)
    number = len(combinations(groups_in, merged))
    if number != groups_out:
        raise InputError(
            f"REAF template {text}: C({groups_in}, {merged}) is {number}, so G_O must be {number}, not "
            f"{groups_out}"
        )
    return groups_in, merged


class REAFConv2d(nn.Conv2d):
    """Convolution by the REAF scheme (6.6).

    weight (C_out, G_M*C_in/G_I, k, k): output group l, C_out/G_O channels, reads the l-th combination of
    input groups.
    G_I must divide C_in and G_O must divide C_out. Done as an ordinary convolution with zeros where an output
    does not read while that at most doubles the products (4-3-4 trains four times as fast so on a CPU, whose
    group convolutions are slow), else as one gather of channels and a group convolution.
    """

    index: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        *,
        groups_in: int = 4,
        merged: int = 3,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = False,
    ) -> None:
        chosen = combinations(groups_in, merged)
        if channels_in % groups_in:
            raise InputError(f"REAF: G_I={groups_in} does not divide {channels_in} input channels")
        if channels_out % len(chosen):
            raise InputError(
                f"REAF: G_O=C({groups_in},{merged})={len(chosen)} does not divide {channels_out} output "
                "channels"
            )
        size = channels_in // groups_in
        super().__init__(
            len(chosen) * merged * size,
            channels_out,
            kernel,
            stride=stride,
            padding=dilation * (kernel - 1) // 2,
            dilation=dilation,
            groups=len(chosen),
            bias=bias,
        )
        self.channels_in, self.groups_in, self.merged = channels_in, groups_in, merged
        groups = [group for combination in chosen for group in combination]
        index = [group * size + c for group in groups for c in range(size)]
        self.register_buffer("index", torch.tensor(index), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        grouped = self.merged == 1 or self.groups_in > 2 * self.merged
        if grouped or x.device.type == "meta":  # there the counter wants REAF's own cost
            return super().forward(x[:, self.index])
        return functional.conv2d(x, self.dense_weight(), self.bias, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        return (
            f"{self.channels_in}, {self.out_channels}, REAF {self.groups_in}-{self.merged}-{self.groups}, "
            f"kernel={self.kernel_size}"
        )

    def dense_weight(self) -> Tensor:
        """The equal ordinary kernel (C_out, C_in, k, k), zero where an output reads not; differentiable."""
        own = self.weight.view(self.groups, -1, *self.weight.shape[1:])
        places = self.index.view(self.groups, 1, -1, 1, 1).expand_as(own)
        dense = own.new_zeros((*own.shape[:2], self.channels_in, *own.shape[3:])).scatter(2, places, own)
        return dense.flatten(0, 1)


class REAFPlus(nn.Module):
    """REAF+ (6.8): ``concat over l of conv_l(ReLU_l(BN_l(x)))``, l = 0 .. g_O-1. Stands for batch norm, ReLU,
    convolution.

    ``cap`` 6 makes the non-linearity ReLU6, ``bias`` gives the convolution one. g_O must divide channels_out;
    kernel 1 or larger, stride 1.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        *,
        pairs: int = 2,
        cap: float | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if pairs < 1 or channels_out % pairs:
            raise InputError(f"REAF+: g_O={pairs} must be positive and divide {channels_out} output channels")
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels_in) for _ in range(pairs))
        self.conv = nn.Conv2d(
            channels_in * pairs, channels_out, kernel, padding=kernel // 2, groups=pairs, bias=bias
        )
        self.cap = math.inf if cap is None else cap

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(
            torch.cat([functional.relu(norm(x)).clamp_max(self.cap) for norm in self.norms], dim=1)
        )
