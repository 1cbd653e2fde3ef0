"""The full-precision twin as a teacher: the same function in float32 throughout.

In evaluation the twin's norms and sums are computed in float64, as export needs them. A teacher's answers are
targets of a loss; in float32 they differ in the last bits and cost half.
"""

from copy import deepcopy

from torch import Tensor, nn
from torch.nn import functional

from fermatnet.model.nn.fixed_point import BatchNorm, FixedNorm, Rescale
from fermatnet.model.nn.layers import AvgPool2d, Conv2d, Linear, SumPool

__all__ = ["as_teacher"]


class _Norm(nn.Module):
    """Batch norm by stored statistics in float32, clamped to [``low``, ``high``] where they are given."""

    def __init__(self, norm: nn.BatchNorm2d, low: float | None, high: float | None) -> None:
        super().__init__()
        self.norm, self.low, self.high = norm, low, high

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        y = functional.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )
        return y if self.low is None else y.clamp_(self.low, self.high)


def _replaced(module: nn.Module) -> nn.Module:
    for name, child in list(module.named_children()):
        if isinstance(child, FixedNorm):
            rectified = child.lo == 0
            made = _Norm(child, 0.0 if rectified else None, child.ceiling if rectified else None)
            setattr(module, name, made)
        elif isinstance(child, BatchNorm):
            setattr(module, name, _Norm(child, None, None))
        else:
            _replaced(child)
    return module


def as_teacher(twin: nn.Module) -> nn.Module:
    """A copy of a full-precision twin for answers alone, without gradients; the twin stays as it is."""
    teacher = _replaced(deepcopy(twin)).eval().requires_grad_(False)
    for module in teacher.modules():
        # their training form is the float32 one, and has nothing to train
        if isinstance(module, Conv2d | Linear | SumPool | AvgPool2d | Rescale):
            module.training = True
    return teacher
