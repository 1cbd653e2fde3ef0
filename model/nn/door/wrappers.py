"""The module inside what torch puts around it, and a copy of it that nothing of the user's is changed by."""

from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.door.report import Report

__all__ = ["USER_ERRORS", "copied", "unwrapped"]

# What a model's own code raises when it is run on what it was not made for. Whoever catches these names the
# cause.
USER_ERRORS = (
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    NameError,
    LookupError,
    ArithmeticError,
    AssertionError,
    OSError,
    ImportError,
)


def _inside(module: nn.Module) -> tuple[nn.Module, str] | None:
    """(the module that a wrapper calls, the wrapper's name), or None."""
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module, type(module).__name__
    # By name: the class lives in torch._dynamo, which takes seconds to import.
    inner = getattr(module, "_orig_mod", None)
    if type(module).__name__ == "OptimizedModule" and isinstance(inner, nn.Module):
        return inner, "torch.compile"
    return None


def unwrapped(model: Any, report: Report) -> nn.Module:
    """The model without DataParallel and torch.compile around it; InputError for what is no Python module."""
    if not isinstance(model, nn.Module):
        raise InputError(f"the model must be a torch.nn.Module, not {type(model).__name__}")
    while (found := _inside(model)) is not None:
        model, wrapper = found
        report.note(
            "model", wrapper, type(model).__name__, "taken out of its wrapper, which computes the same"
        )
    return model


def unwrap_children(model: nn.Module, report: Report) -> None:
    """The same for the modules inside a copy, in place."""
    for parent_name, parent in list(model.named_modules()):
        for name, child in list(parent._modules.items()):
            while child is not None and (found := _inside(child)) is not None:
                child, wrapper = found
                parent._modules[name] = child
                report.note(
                    ".".join(filter(None, (parent_name, name))),
                    wrapper,
                    type(child).__name__,
                    "taken out of its wrapper, which computes the same",
                )


def copied(model: nn.Module) -> nn.Module:
    """A deep copy on the CPU in evaluation mode. Tensors that hooks computed (old weight norms) are copied
    by their values."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and value.grad_fn is not None:
                memo[id(value)] = value.detach().clone()
    try:
        return deepcopy(model, memo).cpu().eval()
    except USER_ERRORS as error:
        raise InputError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}): "
            "keep only parameters, buffers and plain values in its modules"
        ) from error
