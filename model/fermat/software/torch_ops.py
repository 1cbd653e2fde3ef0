"""The torch operator: exact integer convolution, both of its gradients, and a module.

torch does not differentiate integer tensors. So there are two ways in, and no third:

* integer tensors: `conv2d`, `conv2d_input_grad` and `conv2d_weight_grad` take and return them, for training
  loops written in integers;
* float64 tensors whose values are integers: `conv2d_carried` (and `Conv2dFermat`) is an autograd function
  with float64 as the carrier. Values and gradients are checked to be integers below 2^53, where float64 is
  exact, and refused otherwise, so nothing is ever rounded.

Tensors on a CPU go to the compiled backend without a copy; tensors on a GPU to the array backend in torch
(`software_generic`).
"""

from typing import Any

import numpy as np
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import checks as software_checks
from fermatnet.model.fermat.software import convolution as software_convolution
from fermatnet.model.fermat.software import generic as software_generic
from fermatnet.model.fermat.software import gradient as software_gradient
from fermatnet.model.fermat.software import phases as software_phases
from fermatnet.model.fermat.software.plan import choose
from fermatnet.model.fermat.software.weights import Weights

__all__ = ["Size", "conv2d", "conv2d_input_grad", "conv2d_weight_grad", "explain", "padding_pair"]

Size = int | tuple[int, int]


def as_array(name: str, t: Any) -> np.ndarray:
    """The numpy array of an integer tensor on the CPU; InputError that names the argument for anything
    else."""
    if not isinstance(t, torch.Tensor):
        raise InputError(f"{name} must be a torch tensor, not {type(t).__name__}")
    if t.is_floating_point() or t.is_complex() or t.dtype == torch.bool:
        raise InputError(
            f"{name} must hold integers, not {t.dtype}: quantise it first (conv2d_carried takes float64 "
            "that carries integers)"
        )
    return t.detach().cpu().numpy()


def padding_pair(padding: Any, w: Any, stride: Any) -> Any:
    """Padding (rows, columns) of a number, a pair, "valid" or "same"."""
    if padding == "valid":
        return 0
    if padding == "same":
        sides = (w.shape[2], w.shape[3])
        if stride not in (1, (1, 1)) or not (sides[0] % 2 and sides[1] % 2):
            raise InputError('padding="same" needs stride 1 and odd kernels')
        return sides[0] // 2, sides[1] // 2
    return padding


def conv2d(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size = 1,
    padding: Size | str = 0,
    groups: int = 1,
    *,
    dtype: torch.dtype = torch.int64,
    backend: str = "auto",
    **options: Any,
) -> torch.Tensor:
    """Cross-correlation (2.1) of integer tensors, exact: x (n, C, H, W), w (O, C / groups, kh, kw) -> (n, O,
    OH, OW).

    stride, padding: an int or two; padding may be "same" (stride 1, odd kernels) or "valid". dtype:
    torch.int64, or torch.int32 where the bound allows.
    backend: "auto", "compiled", "numpy" or "torch" (the tensors' own device). Other options (threads, memory,
    moduli, length, method, x_range, cache, profile) as in `convolution.convolve`. InputError for
    anything that is not exact or does not fit together.
    """
    if dtype not in (torch.int64, torch.int32):
        raise InputError(f"dtype must be torch.int64 or torch.int32, not {dtype}")
    on_device = isinstance(x, torch.Tensor) and x.device.type != "cpu"
    if backend == "torch" or (backend == "auto" and on_device):
        return _on_device(x, w, stride, padding_pair(padding, w, stride), groups, **options).to(dtype)
    options.setdefault("threads", torch.get_num_threads())
    out = software_convolution.convolve(
        as_array("x", x), as_array("w", w), stride, padding_pair(padding, w, stride), groups,
        backend=backend, dtype=np.int64 if dtype == torch.int64 else np.int32, **options,
    )  # fmt: skip
    return torch.from_numpy(out).to(x.device)


def _on_device(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size,
    padding: Size,
    groups: int,
    *,
    memory: int = software_convolution.DEFAULT_MEMORY,
    x_range: tuple[int, int] | None = None,
    **options: Any,
) -> torch.Tensor:
    """The array backend on the tensors' device; shapes are checked, and the bound is taken, as on the CPU."""
    for name, tensor in (("x", x), ("w", w)):
        if not isinstance(tensor, torch.Tensor):
            raise InputError(f"{name} must be a torch tensor, not {type(tensor).__name__}")
    sides, pads, out_size = software_checks.check_convolution(x, w, stride, padding, groups)
    low, high = int(x.min()), int(x.max())
    bounds = x_range or (min(low, 0), max(high, 0))
    if low < bounds[0] or high > bounds[1]:
        raise InputError(f"x lies in [{low}, {high}], outside x_range {tuple(bounds)}")
    kernel = (w.shape[2], w.shape[3])
    if sides != (1, 1):
        x, w = (
            software_phases.space_to_depth(x, kernel, sides, pads, out_size),
            software_phases.taps_to_depth(w, sides),
        )
        pads, kernel = (0, 0), (w.shape[2], w.shape[3])
    ins, outs = x.shape[1] // groups, w.shape[0] // groups
    parts = []
    for g in range(groups):
        part = w[g * outs : (g + 1) * outs]
        interval = Weights(part.cpu().numpy()).interval(*bounds)
        settings = {k: v for k, v in options.items() if k in ("moduli", "length")}
        plan = choose((x.shape[0], ins, outs, *kernel, *out_size), *interval, method="fermat", **settings)
        parts.append(
            software_generic.convolve(x[:, g * ins : (g + 1) * ins], part, pads, plan, memory, torch)
        )
    return torch.cat(parts, dim=1)


def explain(
    x: torch.Tensor,
    w: torch.Tensor,
    stride: Size = 1,
    padding: Size | str = 0,
    groups: int = 1,
    **options: Any,
) -> str:
    """Why `conv2d` would do these tensors the way it does: bound, modulus, transform, tile, expected time,
    runners-up. Computes no convolution."""
    return software_convolution.explain(
        as_array("x", x), as_array("w", w), stride, padding_pair(padding, w, stride), groups, **options
    )


def conv2d_input_grad(
    x_shape: tuple[int, ...],
    w: torch.Tensor,
    grad: torch.Tensor,
    stride: Size = 1,
    padding: Size = 0,
    groups: int = 1,
    **options: Any,
) -> torch.Tensor:
    """(2.2): gradient with respect to the input, int64, from the output's integer gradient; exact."""
    options.setdefault("threads", torch.get_num_threads())
    gradient = software_gradient.input_gradient(
        tuple(x_shape), as_array("w", w), as_array("grad", grad), stride, padding, groups, **options
    )
    return torch.from_numpy(gradient).to(grad.device)


def conv2d_weight_grad(
    x: torch.Tensor,
    w_shape: tuple[int, ...],
    grad: torch.Tensor,
    stride: Size = 1,
    padding: Size = 0,
    groups: int = 1,
    **options: Any,
) -> torch.Tensor:
    """(2.3): gradient with respect to the weights, int64, from the output's integer gradient; exact."""
    options.setdefault("threads", torch.get_num_threads())
    gradient = software_gradient.weight_gradient(
        as_array("x", x), tuple(w_shape), as_array("grad", grad), stride, padding, groups, **options
    )
    return torch.from_numpy(gradient).to(grad.device)
