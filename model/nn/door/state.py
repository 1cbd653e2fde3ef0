"""Whether a model in evaluation is a function: the same images give the same outputs, however often it was
called."""

from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.door.compare import reference_of, user_outputs
from fermatnet.model.nn.door.wrappers import copied
from fermatnet.model.nn.samples import Batch

__all__ = ["check_steady"]

CALLS = 3
"""What is written after it was read shows in the second call, what is counted in each."""
_PLAIN = (int, float, complex, str, bool, type(None))


def check_steady(model: nn.Module, images: Batch) -> None:
    """InputError, with what ``forward`` changes, where a copy of ``model`` gives other outputs when it is
    called again with ``images``. What it only stores (a feature map, a cache) it may."""
    before = _state(copied(model))
    steady, first = reference_of(model, images)
    for _ in range(CALLS - 1):
        again = user_outputs(steady, images)
        if not all(_same(first[name], again[name]) for name in first):
            after = _state(steady)
            changed = [name for name in after if name not in before or not _same(before[name], after[name])]
            what = f"changes its own {', '.join(map(repr, changed[:3]))}" if changed else "draws at random"
            raise InputError(
                f"forward {what}, so the same images give other outputs when it is called again: a network "
                "of hardware keeps nothing from call to call; leave that out in evaluation (if self.training)"
            )


def _state(model: nn.Module) -> dict[str, Any]:
    """Tensors and plain values that a model holds, by name."""
    found: dict[str, Any] = {}
    for prefix, module in model.named_modules():
        held = {**module._parameters, **module._buffers, **vars(module)}
        for name, value in held.items():
            if isinstance(value, Tensor):
                found[f"{prefix}.{name}".lstrip(".")] = value.detach().clone()
            elif isinstance(value, _PLAIN):
                found[f"{prefix}.{name}".lstrip(".")] = value
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or not one.is_floating_point():
            return torch.equal(one, other)
        return torch.allclose(one.double(), other.double(), rtol=0, atol=0, equal_nan=True)
    return type(one) is type(other) and one == other
