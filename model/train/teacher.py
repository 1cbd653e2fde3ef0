"""The full-precision twin as a teacher: the same function in a cheaper arithmetic, norms folded into the
convolutions before them.

In evaluation the twin's norms and sums are computed in float64, as export needs them. A teacher's answers are
targets of a loss, which needs no such care: where the processor multiplies bfloat16 the convolutions do, and
answers differ by some 0.5 % of their spread; elsewhere all is float32, and they differ in the last bits.
"""

from contextlib import suppress
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from fermatnet.model.nn.fixed_point import BatchNorm, FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.layers import AvgPool2d, Conv2d, Linear, SumPool

__all__ = ["as_teacher", "multiplies_bfloat16"]


_SIZES = ("kernel_size", "stride", "padding", "dilation", "groups")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` has instructions for products of bfloat16; emulation is slow and does not count."""
    if device.type == "cpu":
        able: Any = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.10
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


class _Teacher(nn.Module):
    """``network`` in the arithmetic that is cheapest on ``device``, images channels-last."""

    def __init__(self, network: nn.Module, device: torch.device):
        super().__init__()
        self.network, self.short = network, multiplies_bfloat16(device)

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.short):
            return self.network(images)


def _norm(old: nn.BatchNorm2d) -> nn.Module:
    """torch's own batch norm with these statistics, for vectors too."""
    new = nn.BatchNorm2d(old.num_features, eps=old.eps)
    new.load_state_dict({key: value for key, value in old.state_dict().items() if key in new.state_dict()})
    new._check_input_dim = lambda input: None  # type: ignore[method-assign]
    return new


def _convolution(old: Conv2d) -> nn.Module:
    """torch's own convolution: full precision leaves nothing to quantize but weights that are masked away."""
    sizes: dict[str, Any] = {key: getattr(old, key) for key in _SIZES}
    new = nn.Conv2d(old.in_channels, old.out_channels, bias=old.bias is not None, **sizes)
    with torch.no_grad():
        new.weight.copy_(old.quantized())
        if old.bias is not None and new.bias is not None:
            new.bias.copy_(old.bias)
    return new


def _plain(module: nn.Module) -> nn.Module:
    for name, child in list(module.named_children()):
        if isinstance(child, FixedNorm):
            rectifier = nn.ReLU() if child.ceiling is None else nn.Hardtanh(0.0, child.ceiling)
            norm = _norm(child)
            setattr(module, name, nn.Sequential(norm, rectifier) if child.lo == 0 else norm)
        elif isinstance(child, BatchNorm):
            setattr(module, name, _norm(child))
        elif type(child) is Conv2d:
            setattr(module, name, _convolution(child))
        else:
            _plain(child)
    return module


def as_teacher(twin: nn.Module) -> nn.Module:
    """A copy of a full-precision twin for answers alone, without gradients; the twin stays as it is.

    Answers have the twin's shape, (N, classes) mostly; their convolutions are in bfloat16 where
    `multiplies_bfloat16`. Where torch.fx cannot follow the network the norms stay beside their convolutions.
    """
    device = next(twin.parameters()).device
    teacher = _plain(deepcopy(twin)).to(device).eval()
    for module in teacher.modules():
        # their training form is the float32 one, and has nothing to train
        if isinstance(module, Conv2d | Linear | SumPool | AvgPool2d | Rescale | FixedBias):
            module.training = True
    with suppress(Exception):  # whatever tracing raises: the teacher is right as it is
        teacher = fuse(teacher)
    teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return _Teacher(teacher, device).requires_grad_(False)
