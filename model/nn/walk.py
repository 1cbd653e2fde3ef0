"""One walk over a model's graph, for whatever wants to know what every layer does to *exact* values.

:func:`walk` traces a model with ``torch.fx`` and calls one method of a visitor for each step; the visitor
decides what a value is: an int64 tensor (:mod:`fermatnet.model.nn.integer`) or a tensor name of a network
file (:mod:`fermatnet.model.exchange.export`).
A step that the hardware has no layer for is an InputError that names it.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.coded import CodedActivation
from fermatnet.model.nn.curves import Curve
from fermatnet.model.nn.fixed_point import BatchNorm, FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.layers import Conv2d, Linear, PixelScale, Positions, SumPool
from fermatnet.model.nn.logic import LogicJoin
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.operators import known_kind
from fermatnet.model.nn.operators.names import DIFFERENCES, JOINS, PRODUCTS, RECTIFIERS, SUMS
from fermatnet.model.nn.operators.rules import pair
from fermatnet.model.nn.piecewise import PiecewiseActivation
from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["Visitor", "Window", "forward_names", "input_names", "trace", "walk"]


@dataclass(frozen=True)
class Window:
    """Of a sum: kernel (0, 0) is all; ``stride`` None: disjoint; ``padding`` (vertical, horizontal)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] | None = None
    padding: tuple[int, int] = (0, 0)


class Visitor(Protocol):
    """What a walk needs; every method gets the layer's name, its module (where there is one) and the incoming
    values."""

    def pixels(self, name: str, module: Any, x: Any) -> Any:
        """The image as it comes: what divides it into numbers of the network."""

    def conv(self, name: str, module: Any, x: Any) -> Any:
        """A convolution of maps (1-d ones are maps of one row)."""

    def linear(self, name: str, module: Any, x: Any) -> Any:
        """A dense layer of vectors."""

    def norm(self, name: str, module: Any, x: Any) -> Any:
        """A batch normalisation with its statistics as they are."""

    def fixed(self, name: str, module: Any, x: Any) -> Any:
        """An activation, norm or bias that rounds to a power-of-two step and clips."""

    def pieces(self, name: str, module: Any, x: Any) -> Any:
        """A piecewise activation: levels between end-points, as binary planes."""

    def relu(self, name: str, module: Any, x: Any) -> Any:
        """A rectifier, with or without a ceiling."""

    def maxpool(self, name: str, module: Any, x: Any) -> Any:
        """The largest of each window."""

    def sumpool(self, name: str, window: Window, average: bool, x: Any) -> Any:
        """The sums of windows, or their averages."""

    def curve(self, name: str, module: Any, x: Any) -> Any:
        """A function of one number, by a table."""

    def moved(self, name: str, module: Any, x: Any) -> Any:
        """Numbers that change their places only: pads, slices, shuffles, upsampling."""

    def positions(self, name: str, module: Any, x: Any) -> Any:
        """The places of the largest numbers (argmax, top-k)."""

    def add(self, name: str, a: Any, b: Any) -> Any:
        """The sum of two tensors; one may be a vector a channel."""

    def subtract(self, name: str, a: Any, b: Any) -> Any:
        """The difference of two tensors."""

    def multiply(self, name: str, a: Any, b: Any) -> Any:
        """The products of two tensors; one may be a vector a channel."""

    def logic(self, name: str, module: Any, a: Any, b: Any) -> Any:
        """A boolean function of two tensors of bits."""

    def concat(self, name: str, xs: list[Any], axis: int) -> Any:
        """Tensors behind one another along an axis (1: channels)."""

    def flatten(self, name: str, x: Any) -> Any:
        """A map as a vector, channels first."""


class _Tracer(fx.Tracer):
    """The inputs ``names`` come in (None: all, as torch asks for when a traced network is unpickled); layers
    of the table and our own are leaves; other arguments of ``forward`` keep their defaults."""

    def __init__(self, names: Sequence[str] | None = None):
        super().__init__()
        self.names = names

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if known_kind(m) is not None:
            return True
        # subclasses made elsewhere too
        ours = any(base.__module__.startswith("fermatnet.model.nn.") for base in type(m).__mro__)
        return (ours and not isinstance(m, nn.Sequential)) or super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        taken = [p.name for p in _parameters(root_fn)]
        names = taken if self.names is None else self.names
        last = max((place for place, name in enumerate(taken) if name in names), default=-1)
        inputs: list[Any] = [self.root]
        for p in _parameters(root_fn)[: last + 1]:
            inputs.append(self.create_proxy("placeholder", p.name, (), {}) if p.name in names else p.default)
        return root_fn, inputs

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # a slice of a Sequential is a new module of the same layers
        if type(m) is nn.Sequential and not any(m is other for other in self.root.modules()):
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)


def _parameters(function: Any) -> list[inspect.Parameter]:
    """What ``forward`` takes after self."""
    return list(inspect.signature(function).parameters.values())[1:]


def forward_names(model: nn.Module) -> list[str]:
    """Names of all that ``forward`` takes by place; none of a compiled module."""
    if isinstance(model, torch.jit.ScriptModule):
        return []
    return [p.name for p in _parameters(type(model).forward) if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]


def input_names(model: nn.Module) -> list[str]:
    """Names of the inputs of a model: what ``forward`` cannot be called without, or the first argument."""
    needed = [
        p.name
        for p in _parameters(type(model).forward)
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return needed or forward_names(model)[:1]


def _check_names(model: nn.Module, names: Sequence[str]) -> None:
    """InputError where ``forward`` cannot be called with these inputs by place."""
    kind = type(model).__name__
    if not names:
        raise InputError(f"{kind}: its forward takes no image: write forward(self, x)")
    needed = input_names(model)
    by_place = forward_names(model)
    if keyword := [name for name in needed if name not in by_place]:
        raise InputError(f"{kind}: its forward takes {keyword[0]!r} by keyword only: take it by place")
    if missing := [name for name in needed if name not in names and len(needed) > 1]:
        raise InputError(
            f"{kind}: its forward takes {len(needed)} inputs ({', '.join(needed)}), and no shape of "
            f"{missing[0]!r} is given: give convert shape={{{needed[0]!r}: ..., {missing[0]!r}: ...}}, or a "
            "default to what the network does not need"
        )


def trace(model: nn.Module, names: Sequence[str] | None = None) -> fx.Graph:
    """The model's graph with our layers as leaves and the inputs ``names`` (None: those of `input_names`);
    control flow on values is an InputError."""
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"{type(model).__name__} is compiled by torch.jit: take the Python module it was made from"
        )
    names = input_names(model) if names is None else names
    _check_names(model, names)
    try:
        return _Tracer(names).trace(model)
    except InputError:
        raise
    except Exception as error:
        # the model's own code runs here on stand-ins for tensors and may end in anything: the cause is named
        what = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{type(model).__name__} cannot be traced: {type(error).__name__}: {what}; write forward so "
            "that the same layers run for every image, without decisions about values"
        ) from error


def _average(visitor: Visitor, name: str, module: Any, x: Any) -> Any:
    if isinstance(module, nn.AdaptiveAvgPool2d):
        if module.output_size not in (1, (1, 1)):
            raise InputError(
                f"layer {name!r}: only averages over the map, not to {module.output_size}, can be exported"
            )
        return visitor.sumpool(name, Window((0, 0)), True, x)
    kernel = pair(module.kernel_size)
    if (
        pair(module.stride) != kernel
        or pair(module.padding) != (0, 0)
        or module.ceil_mode
        or module.divisor_override not in (None, 1)
    ):
        raise InputError(f"layer {name!r}: averages must be over disjoint, unpadded windows")
    return visitor.sumpool(name, Window(kernel), module.divisor_override is None, x)


def _module(visitor: Visitor, name: str, module: nn.Module, x: Any, *others: Any) -> Any:
    # FixedNorm is a BatchNorm: it comes first
    table: list[tuple[Any, str]] = [
        (PixelScale, "pixels"),
        (Conv2d, "conv"),
        (Linear, "linear"),
        (FixedNorm, "fixed"),
        (Rescale, "fixed"),
        (FixedBias, "fixed"),
        (UniformActivation, "fixed"),
        (BatchNorm, "norm"),
        (PiecewiseActivation, "pieces"),
        (CodedActivation, "pieces"),
        (nn.ReLU, "relu"),
        (nn.MaxPool2d, "maxpool"),
        (Curve, "curve"),
        (Move, "moved"),
        (Positions, "positions"),
        (LogicJoin, "logic"),
    ]
    if getattr(module, "full_precision", False):
        raise InputError(f"layer {name!r} is in full precision: the network's scheme has no hardware")
    for kind, method in table:
        if isinstance(module, kind):
            return getattr(visitor, method)(name, module, x, *others)
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AvgPool2d):
        return _average(visitor, name, module, x)
    if isinstance(module, SumPool):
        stride = None if module.stride is None else pair(module.stride)
        return visitor.sumpool(name, Window(pair(module.kernel), stride, module.padding), False, x)
    if isinstance(module, nn.Flatten):
        return visitor.flatten(name, x)
    if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
        return x
    plain = "; convert the model first" if known_kind(module) is not None else ""
    raise InputError(f"layer {name!r}: the hardware has no {type(module).__name__}{plain}")


def _function(visitor: Visitor, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    name, args = node.name, node.args
    if unknown := set(node.kwargs) - {"dim", "inplace"}:
        raise InputError(
            f"step {name!r}: the hardware has no {', '.join(sorted(unknown))}= of a "
            f"{getattr(node.target, '__name__', node.target)}"
        )
    read = [values[arg] for arg in args if isinstance(arg, fx.Node)]
    for targets, method in ((SUMS, "add"), (DIFFERENCES, "subtract"), (PRODUCTS, "multiply")):
        if node.target in targets and len(read) == 2:
            return getattr(visitor, method)(name, *read)
    if node.target in JOINS:
        dimension = args[1] if len(args) > 1 else node.kwargs.get("dim", 0)
        if dimension in (1, 2, 3):
            if len(args[0]) == 1:  # type: ignore[arg-type]
                return values[args[0][0]]  # type: ignore[index]
            return visitor.concat(name, [values[arg] for arg in args[0]], dimension)  # type: ignore
    if node.target in RECTIFIERS:
        return visitor.relu(name, None, read[0])
    if node.target in (torch.flatten, "flatten") and tuple(args[1:]) in ((1,), (1, -1)):
        return visitor.flatten(name, read[0])
    raise InputError(
        f"step {name!r}: the hardware has no {getattr(node.target, '__name__', node.target)} of {len(read)} "
        "tensors"
    )


def walk(model: nn.Module, visitor: Visitor, x: Any) -> Any:
    """Run ``visitor`` over the model; ``x`` is its value for the image, or one value an input by name.

    Returns its value for the model's output, in the tuples, lists and dicts that the model returns."""
    graph = trace(model)
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            if values and not isinstance(x, dict):
                raise InputError(f"the network takes {len(input_names(model))} inputs: give one value a name")
            values[node] = x[str(node.target)] if isinstance(x, dict) else x
        elif node.op == "call_module":
            name = str(node.target)
            read = [values[arg] for arg in node.args if isinstance(arg, fx.Node)]
            values[node] = _module(visitor, name, model.get_submodule(name), *read)
        elif node.op in ("call_function", "call_method"):
            values[node] = _function(visitor, node, values)
        elif node.op == "output":
            return fx.node.map_arg(node.args[0], lambda n: values[n])
        else:
            raise InputError(f"step {node.name!r}: the hardware has no {node.op} {node.target}")
    raise InputError("the model returns nothing")
