"""Values for the arguments of torch's operators, by name; for an argument that has no values here, by the
type of its default."""

import inspect
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fermatnet.model.nn.operators import CALLS, CallRow
from fermatnet.model.nn.operators.signatures import module_arguments, signatures

__all__ = ["BASE_CALLS", "drawn_call", "drawn_module", "values"]

_VALUES: dict[str, list[Any]] = {
    "kernel_size": [1, 2, 3, (2, 3), (3, 1)],
    "stride": [1, 2, (2, 1), 3],
    "padding": [0, 1, 2, (1, 0), (0, 1), "same", "valid", (1, 1, 0, 0), (1, 0, 1, 0), (-1, -1, 0, 0)],
    "dilation": [1, 2, (1, 2)],
    "groups": [1, 2],
    "padding_mode": ["zeros", "reflect", "replicate", "circular"],
    "eps": [1e-5, 1e-2, 1.0],
    "momentum": [0.1, None, 1.0],
    "track_running_stats": [False],
    "p": [0.1, 0.9],
    "min_val": [0, -1, 0.25],
    "max_val": [0.5, 1, 6],
    "threshold": [0, 0.2],
    "value": [0, 0.5, 1],
    "output_size": [1, 2, (1, 2), (None, 1), 3],
    "start_dim": [0, 1, 2, -1],
    "end_dim": [-1, 1, 2],
    "divisor_override": [1, 2, 3, 9],
    "min": [0, -0.5, 0.1, None],
    "max": [0.3, 1.0, 6, None],
    "alpha": [1, 2, 0, -1, 0.5],
    "dim": [0, 1, 2, 3, -1, -3, (2, 3), (-1, -2), (1, 2)],
    "pad": [(1, 1, 1, 1), (0, 0, 2, 2), (1, 0, 1, 0), (1, 1), (0, 0, 0, 0, 1, 1), (-1, -1, -1, -1)],
    "mode": ["constant", "reflect", "replicate", "nearest", "bilinear"],
    "negative_slope": [0.0, 0.3, -0.2],
    "num_parameters": [1, 2],
    "beta": [0.5, 3.0],
    "lambd": [0.1, 1.0],
    "approximate": ["none", "tanh"],
    "upscale_factor": [1, 2],
    "downscale_factor": [1, 2],
    "scale_factor": [1, 2, 3, (1, 2), 1.5],
    "size": [(6, 8), (12, 12), 16],
    "output_padding": [0, 1],
    "k": [1, 2],
    "largest": [False],
    "training": [False, True],
    "dtype": [torch.float64, torch.float32],
    "memory_format": [torch.contiguous_format, torch.preserve_format],
    "ceil_mode": [True, False],
    "return_indices": [True],
    "count_include_pad": [False],
    "inplace": [True],
    "keepdim": [True],
}
# what a call needs, so that it does what the table means
BASE_CALLS: dict[str, dict[str, Any]] = {
    **{
        name: {} for name in ("relu", "relu6", "sigmoid", "tanh", "leaky_relu", "elu", "celu", "selu", "gelu")
    },
    **{name: {} for name in ("gelu", "silu", "mish", "hardsigmoid", "hardswish", "softplus", "softsign")},
    **{name: {} for name in ("logsigmoid", "neg", "square")},
    "hardtanh": {"min_val": 0, "max_val": 1},
    "threshold": {"threshold": 0, "value": 0},
    "clamp": {"min": 0},
    "clamp_min": {"min": 0},
    "clamp_max": {"max": 0.5},
    "max_pool2d": {"kernel_size": 2},
    "avg_pool2d": {"kernel_size": 2},
    "max_pool1d": {"kernel_size": 2},
    "avg_pool1d": {"kernel_size": 2},
    "adaptive_avg_pool1d": {"output_size": 1},
    "adaptive_avg_pool2d": {"output_size": 1},
    "adaptive_max_pool2d": {"output_size": 1},
    "mean": {"dim": (2, 3), "keepdim": True},
    "dropout": {"training": False},
    "dropout2d": {"training": False},
}
_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)
_ADAPTIVE = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
_PADS = (
    nn.ZeroPad1d,
    nn.ZeroPad2d,
    nn.ReflectionPad1d,
    nn.ReflectionPad2d,
    nn.CircularPad1d,
    nn.CircularPad2d,
)
BASE_MODULES: dict[type, dict[str, Any]] = {
    nn.Hardtanh: {"min_val": 0.0, "max_val": 1.0},
    nn.Threshold: {"threshold": 0, "value": 0},
    **{kind: {"kernel_size": 2} for kind in _POOLS},
    **{kind: {"output_size": 1} for kind in _ADAPTIVE},
    **{kind: {"padding": 1} for kind in (*_PADS, nn.ReplicationPad1d, nn.ReplicationPad2d)},
    **{kind: {"padding": 1} for kind in (nn.CircularPad1d, nn.CircularPad2d)},
    **{kind: {"padding": 1, "value": 0.0} for kind in (nn.ConstantPad1d, nn.ConstantPad2d)},
    **{kind: {"scale_factor": 2} for kind in (nn.Upsample, nn.UpsamplingNearest2d)},
    nn.ChannelShuffle: {"groups": 2},
    nn.PixelShuffle: {"upscale_factor": 2},
    nn.PixelUnshuffle: {"downscale_factor": 2},
}


def values(name: str, default: Any) -> list[Any]:
    """What an argument may be set to; never empty."""
    if name in _VALUES:
        return _VALUES[name]
    if isinstance(default, bool):
        return [not default]
    return [default + 1, 2 * default + 3] if isinstance(default, int | float) else [True, 1, "zeros"]


def _runs(step: Callable[[Tensor], Any], shape: tuple[int, ...]) -> Tensor | None:
    """What a step makes of a random batch, or None where torch does not take it or nothing is left."""
    try:
        found = step(torch.randn(3, *shape))
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError, NotImplementedError):
        return None
    if not isinstance(found, Tensor):
        return torch.zeros(0)  # a tuple: the model has to be refused
    return found if found.numel() and found.dim() > 1 and len(found) == 3 else None


def drawn_module(
    draw: random.Random, kind: type[nn.Module], fixed: dict[str, Any], shape: tuple[int, ...], odd: float
) -> nn.Module:
    """A layer with one argument drawn from its signature, with probability ``odd``, or as it is usually
    written."""
    base = {**BASE_MODULES.get(kind, {}), **fixed}
    names = [
        name
        for name, default in module_arguments(kind).items()
        if name in inspect.signature(kind.__init__).parameters
        and (name not in fixed or name in ("kernel_size", "stride", "padding", "groups", "dilation"))
    ]
    for _ in range(8 if names and draw.random() < odd else 0):
        name = draw.choice(names)
        default = module_arguments(kind)[name]
        try:
            made = kind(**{**base, name: draw.choice(values(name, default))})
        except (TypeError, ValueError, RuntimeError, AssertionError):
            continue
        if _runs(made, shape) is not None:
            return made
    return kind(**base)


def drawn_call(
    draw: random.Random, row: CallRow, shape: tuple[int, ...], odd: float
) -> Callable[[Tensor], Tensor]:
    """A call of one of the row's spellings, with one argument drawn from its signature with probability
    ``odd``."""
    base = BASE_CALLS[row.name]
    targets = [target for target in row.targets if signatures(target, row.schemas)]
    for attempt in range(9):
        target = draw.choice(targets)
        signature = signatures(target, row.schemas)[0]
        optional = [p for p in list(signature.parameters.values())[1:] if p.kind is not p.VAR_KEYWORD]
        given = {key: value for key, value in base.items() if key in signature.parameters}
        if optional and attempt < 8 and draw.random() < odd:
            parameter = draw.choice(optional)
            given[parameter.name] = draw.choice(values(parameter.name, parameter.default))
        step = _call(
            target, given, draw.random() < 0.5, [p.name for p in optional if p.kind is not p.KEYWORD_ONLY]
        )
        if _runs(step, shape) is not None:
            return step
    return lambda x: x


def _call(target: Any, given: dict[str, Any], positional: bool, order: list[str]) -> Callable[[Tensor], Any]:
    args: list[Any] = []
    kwargs = dict(given)
    for name in order if positional else ():
        if name not in kwargs:
            break
        args.append(kwargs.pop(name))
    if isinstance(target, str):
        return lambda x: getattr(x, target)(*args, **kwargs)
    return lambda x: target(x, *args, **kwargs)


ROWS = {row.name: row for row in CALLS}
