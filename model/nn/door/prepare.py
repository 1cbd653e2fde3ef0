"""A model made plain before it is traced: weights as the model uses them, float32, and a name for everything
that a trace would not see.

Parametrizations, pruning masks and weight norms are evaluated. Hooks, changed calls, shared memory, numbers
that are none, tensors of other types are refused by name.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_state
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.door.wrappers import USER_ERRORS

__all__ = ["as_float32", "effective_weights", "look"]

_HOOKS = {
    "_forward_hooks": "a forward hook changes or reads what it returns: call that function in forward(), or "
    "remove the hook",
    "_forward_pre_hooks": "a forward pre-hook changes or reads what it takes: call that function in "
    "forward(), or remove the hook",
    "_backward_hooks": "a backward hook does not go over to the twin: remove it, and register it on the twin",
    "_backward_pre_hooks": "a backward hook does not go over to the twin: remove it, and register it on the "
    "twin",
}
_GLOBAL = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


def _weight_hook(hook: Any) -> bool:
    return isinstance(hook, WeightNorm | SpectralNorm | prune.BasePruningMethod)


def look(model: nn.Module, report: Report) -> None:
    """Refusals of everything that a trace of the model would not see."""
    if any(getattr(module_state, name, None) for name in _GLOBAL):
        report.refuse(
            "every module",
            "global hook",
            "a hook of all modules is registered: remove it before the conversion",
        )
    scripted = isinstance(model, torch.jit.ScriptModule)
    for name, module in model.named_modules():
        if scripted and name:
            break
        where = f"module {name!r}" if name else "the model"
        what = type(module).__name__
        if isinstance(module, torch.jit.ScriptModule):
            report.refuse(
                where, what, "it is compiled by torch.jit: convert the Python module it was made from"
            )
            continue
        if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():  # type: ignore[misc]
            continue  # its hooks are its own; the parameters say what is wrong
        for attribute, why in _HOOKS.items():
            hooks = getattr(module, attribute, None) or {}
            if any(not _weight_hook(hook) for hook in hooks.values()):
                report.refuse(where, what, why)
        if "forward" in vars(module):
            report.refuse(
                where, what, "its forward is replaced on the instance: write a subclass with that forward"
            )
        for changed in ("__call__", "_call_impl"):
            own = next(kind for kind in type(module).__mro__ if changed in vars(kind))
            if own is not nn.Module and not isinstance(module, torch.fx.GraphModule):
                report.refuse(
                    where, what, f"{own.__name__} changes {changed}: put what it does into forward()"
                )
                break
    _tensors(model, report)


def _tensors(model: nn.Module, report: Report) -> None:
    memory: dict[int, tuple[str, int]] = {}
    tensors: list[tuple[str, str, Tensor]] = [
        ("parameter", name, value) for name, value in model.named_parameters()
    ]
    tensors += [("buffer", name, value) for name, value in model.named_buffers()]
    for kind, name, value in tensors:
        where = f"{kind} {name!r}"
        if nn.parameter.is_lazy(value):
            report.refuse(
                where,
                type(value).__name__,
                "its layer is lazy and has seen no image: run the model once on a batch first",
            )
            continue
        if type(value) not in (Tensor, nn.Parameter, nn.Buffer):
            report.refuse(
                where,
                type(value).__name__,
                "a tensor of another kind: replace it by a plain torch.nn.Parameter of its values",
            )
            continue
        if value.is_meta or value.layout != torch.strided or value.is_complex() or value.is_quantized:
            report.refuse(
                where,
                f"{value.dtype} on {value.device}",
                "weights must be real numbers in memory: load them first",
            )
            continue
        if value.dtype in (torch.float16, torch.bfloat16):
            report.refuse(
                where,
                str(value.dtype),
                "what it computes depends on that type's rounding: call model.float() first",
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            report.refuse(
                where,
                "weights",
                f"{int((~torch.isfinite(value)).sum())} of its {value.numel()} numbers are nan or infinite: "
                "train it again, or set them",
            )
        if value._backward_hooks or getattr(value, "_post_accumulate_grad_hooks", None):
            report.refuse(
                where,
                "hook",
                "a hook on its gradient does not go over to the twin: remove it, and register it on the twin",
            )
        if value.numel():
            place = value.untyped_storage().data_ptr()
            if place in memory:
                report.refuse(
                    where,
                    "shared memory",
                    f"it lies in the same memory as {memory[place][0]!r}: share the Parameter itself, "
                    "or give it its own values with .clone()",
                )
            memory.setdefault(place, (name, value.numel()))


@torch.no_grad()
def effective_weights(model: nn.Module, report: Report) -> None:
    """Parametrizations, pruning and weight norms of a copy become plain weights of the values that
    evaluation uses, in place."""
    for name, module in model.named_modules():
        try:
            _evaluate(name, module, report)
        except USER_ERRORS as error:
            report.refuse(
                f"module {name!r}",
                type(module).__name__,
                f"its weights cannot be evaluated ({str(error).splitlines()[0]}): "
                "remove the parametrization first",
            )


def _evaluate(name: str, module: nn.Module, report: Report) -> None:
    def note(what: str, tensor: str) -> None:
        report.note(
            f"{name}.{tensor}" if name else tensor,
            what,
            "plain weights",
            "the weights as evaluation uses them; trained without it",
        )

    if parametrize.is_parametrized(module):
        _unparametrized(module, note)
    for hook in list(module._forward_pre_hooks.values()):
        if isinstance(hook, prune.BasePruningMethod):
            note("pruned weights", hook._tensor_name)
            prune.remove(module, hook._tensor_name)
        elif isinstance(hook, WeightNorm):
            note("weight norm", hook.name)
            remove_weight_norm(module, hook.name)
        elif isinstance(hook, SpectralNorm):
            note("spectral norm", hook.name)
            remove_spectral_norm(module, hook.name)


def _unparametrized(module: nn.Module, note: Callable[[str, str], None]) -> None:
    """What ``remove_parametrizations`` does, but for a copy alone: torch's own changes the class, which the
    user's module has too."""
    steps: Any = module.parametrizations
    values = {tensor: getattr(module, tensor).detach().clone() for tensor in steps}
    trained = {
        tensor: any(value.requires_grad for value in chain.parameters()) for tensor, chain in steps.items()
    }
    for tensor, chain in steps.items():
        note(" and ".join(type(step).__name__.lstrip("_") for step in chain), tensor)
    del module._modules["parametrizations"]
    module.__class__ = type(module).__bases__[0]
    for tensor, value in values.items():
        module.register_parameter(tensor, nn.Parameter(value, requires_grad=trained[tensor]))


def as_float32(model: nn.Module, report: Report) -> None:
    """A copy's weights in float32, in place; the report says so where they were another type."""
    kinds = {value.dtype for value in (*model.parameters(), *model.buffers()) if value.is_floating_point()}
    if kinds - {torch.float32}:
        report.note(
            "model",
            " and ".join(sorted(str(kind) for kind in kinds)),
            "torch.float32",
            "the twin's weights are float32",
        )
        model.float()
