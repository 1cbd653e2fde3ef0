"""What each step of a traced model becomes under a scheme: the converter behind `fermatnet.model.nn.convert`,
and its report."""

import operator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert_steps import as_layers, fold_biases
from fermatnet.model.nn.convert_widths import insert_after, wide
from fermatnet.model.nn.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    FixedBias,
    FixedNorm,
    Linear,
    PixelScale,
    SumPool,
)
from fermatnet.model.nn.piecewise import PiecewiseWeight
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight
from fermatnet.model.nn.walk import trace

__all__ = ["Change", "Converter"]

_ADDS = (operator.add, operator.iadd, torch.add, "add", "add_")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_RELUS = (functional.relu, functional.relu6, torch.relu, "relu", "relu_")


@dataclass(frozen=True)
class Change:
    """One line of the report: layer, what it was, what it is now (the same: left), why."""

    name: str
    was: str
    now: str
    why: str


class Converter:
    """One conversion: the model's copy and its graph, rewritten step by step by `run`."""

    def __init__(self, model: nn.Module, how: Scheme, shape: tuple[int, int, int], bits: int, biased: bool):
        self.source = deepcopy(model)
        self.replaced: set[str] = set()
        self.graph = trace(self.source)
        self.shapes = self._shapes(shape)
        as_layers(self.source, self.graph, self.shapes)
        if biased:
            self._give_bias()
        fold_biases(self.source, self.graph)
        self.root = fx.GraphModule(self.source, self.graph)
        self.how, self.bits = how, bits
        self.changes: list[Change] = []
        self.weighted = [
            node for node in self.graph.nodes if isinstance(self.layer(node), nn.Conv2d | nn.Linear)
        ]
        if not self.weighted:
            raise InputError(f"{type(model).__name__} has no layer to quantize")

    def layer(self, node: Any) -> Any:
        """The module of a step: the new one where it is replaced already."""
        if not isinstance(node, fx.Node) or node.op != "call_module":
            return None
        return (self.root if node.target in self.replaced else self.source).get_submodule(str(node.target))

    def _shapes(self, shape: tuple[int, int, int]) -> dict[fx.Node, tuple[int, ...]]:
        found: dict[fx.Node, tuple[int, ...]] = {}

        class Shapes(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if isinstance(value, Tensor):
                    found[n] = tuple(value.shape)
                return value

        self.source.eval()
        try:
            with torch.no_grad():
                Shapes(fx.GraphModule(self.source, self.graph)).run(torch.zeros(2, *shape))
        except RuntimeError as error:
            raise InputError(
                f"the model does not take images of {'x'.join(map(str, shape))}: {str(error).splitlines()[0]}"
            ) from error
        return found

    def _give_bias(self) -> None:
        """A place for the constant of the normalisation, where the first layer has neither a bias nor a
        norm."""
        first = next(
            (node for node in self.graph.nodes if isinstance(self.layer(node), nn.Conv2d | nn.Linear)), None
        )
        module = self.layer(first)
        if (
            first is not None
            and module.bias is None
            and not any(isinstance(self.layer(user), _NORMS) for user in first.users)
        ):
            module.bias = nn.Parameter(torch.zeros(module.weight.shape[0]))

    def put(self, node: fx.Node, module: nn.Module, was: str, why: str) -> None:
        """Let ``module`` do this step: under the step's own name, so that a module used twice becomes two."""
        name = str(node.target).replace(".", "_") if node.op == "call_module" else node.name
        while hasattr(self.root, name) and name not in self.replaced:
            name += "_q"
        while name in self.replaced:
            name += "_again"
        self.replaced.add(name)
        self.root.add_module(name, module)
        node.op, node.target, node.kwargs = "call_module", name, {}
        node.args = (node.args[0],)
        self.changes.append(
            Change(
                name,
                was,
                type(module).__name__ + (f" {module.extra_repr()}" if module.extra_repr() else ""),
                why,
            )
        )

    def is_relu(self, node: fx.Node) -> bool:
        return isinstance(self.layer(node), nn.ReLU | nn.ReLU6) or (
            node.op in ("call_function", "call_method") and node.target in _RELUS
        )

    def run(self) -> nn.Module:
        for node in list(self.graph.nodes):
            module = self.layer(node)
            if node.op == "call_module":
                self._module(node, module)
            elif self.is_relu(node):
                self._activation(node, "relu")
            elif node.target in (torch.clamp_max, "clamp_max") and node.args[0].target in self.replaced:
                self.put(node, nn.Identity(), "clamp_max", "the activation before it saturates")
            elif node.op in ("call_function", "call_method") and node.target not in (
                *_ADDS,
                torch.cat,
                torch.concat,
                torch.flatten,
                "flatten",
            ):
                self.changes.append(
                    Change(
                        node.name,
                        str(node.target),
                        str(node.target),
                        "left: not a layer of the hardware; export will refuse it",
                    )
                )
        if self.how.method.exportable:
            for source, readers in wide(self.root, self.graph):
                made = insert_after(self.graph, self.root, source, self.how.rescale(bits=8), readers)
                self.changes.append(
                    Change(
                        str(made.target),
                        "",
                        "Rescale",
                        "what comes before is too wide for the next layer: 8-bit integers",
                    )
                )
        first = next(node for node in self.graph.nodes if node.op == "placeholder")
        self.root.add_module("pixels", PixelScale(self.bits))
        with self.graph.inserting_after(first):
            scale = self.graph.call_module("pixels", (first,))
        first.replace_all_uses_with(scale, delete_user_cb=lambda user: user is not scale)
        self.graph.lint()
        self.root.recompile()
        self.root.delete_all_unused_submodules()
        return fx.GraphModule(self.root, self.graph)

    def _module(self, node: fx.Node, module: nn.Module) -> None:
        was = type(module).__name__
        if isinstance(module, nn.Conv2d | nn.Linear):
            self._weighted(node, module)
        elif isinstance(module, _NORMS):
            self._norm(node, module)
        elif self.is_relu(node):
            self._activation(node, was)
        elif isinstance(module, nn.AdaptiveAvgPool2d | nn.AvgPool2d):
            self._average(node, module)
        elif not isinstance(module, nn.MaxPool2d | nn.Flatten | nn.Identity | nn.Dropout | nn.Dropout2d):
            self.changes.append(
                Change(str(node.target), was, was, "left: not a layer of the hardware; export will refuse it")
            )

    def _weighted(self, node: fx.Node, module: Any) -> None:
        edge = node is self.weighted[0] or node is self.weighted[-1]
        depthwise = (
            isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels
        )
        shape = tuple(module.weight.shape)
        if edge or depthwise:
            quantizer: nn.Module | None = (
                None if self.how.full_precision else UniformWeight(self.how.edge_bits or 8)
            )
            why = (
                "first layer"
                if node is self.weighted[0]
                else "last layer"
                if edge
                else "depthwise: few operations"
            )
        else:
            quantizer, why = self.how.weight(shape), "inner layer"
        made: Any
        if isinstance(module, nn.Linear):
            made = Linear(
                module.in_features, module.out_features, bias=module.bias is not None, quantizer=quantizer
            )
        else:
            made = Conv2d(
                module.in_channels,
                module.out_channels,
                module.kernel_size,
                module.stride,
                module.padding,
                module.dilation,
                module.groups,
                module.bias is not None,
                quantizer=quantizer,
                input_bits=self.bits if node is self.weighted[0] else 8,
            )
        made.load_state_dict(module.state_dict(), strict=False)
        bias = self._own_bias(node, made)
        unscaled = any(
            node_user.target in (torch.cat, torch.concat) or isinstance(self.layer(node_user), nn.AvgPool2d)
            for node_user in node.users
        )
        # channels that meet in one tensor need units that are near each other
        if unscaled and bias is None and self.how.name.startswith("int"):
            made, why = (
                _Scaled(made, self.how.rescale(bits=10)),
                f"{why}; rescaled before it joins other channels",
            )
        self.put(node, made, type(module).__name__, why)
        if bias is not None:
            made_bias = insert_after(self.graph, self.root, node, bias)
            self.replaced.add(str(made_bias.target))
            self.shapes[made_bias] = self.shapes[node]
            self.changes.append(
                Change(
                    f"{node.target}.bias",
                    "bias",
                    f"FixedBias {bias.extra_repr()}",
                    "no norm takes it up: fixed point",
                )
            )

    def _own_bias(self, node: fx.Node, made: Any) -> FixedBias | None:
        """The bias as a layer of its own, where hardware has no other place for it: not a dense layer's, not
        thresholds."""
        rectified = bool(node.users) and all(self.is_relu(user) for user in node.users)
        integer = self.how.name.startswith("int")
        dense = isinstance(made, Linear) and (integer or not isinstance(made.quantizer, PiecewiseWeight))
        if made.bias is None or not self.how.method.exportable or dense or (rectified and not integer):
            return None
        feeds = any(isinstance(self.layer(user), nn.Conv2d | nn.Linear) for user in node.users)
        bias = FixedBias(
            len(made.bias),
            bits=(self.how.activations or 8) if rectified else 8 if feeds else 10,
            signed=not rectified,
        )
        with torch.no_grad():
            bias.bias.copy_(made.bias)
        made.bias = None
        return bias

    def _norm(self, node: fx.Node, module: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        users = list(node.users)
        rectified = bool(users) and all(self.is_relu(user) for user in users)
        integer = self.how.name.startswith("int")
        made: BatchNorm
        if rectified and not integer:
            made, why = BatchNorm(module.num_features), "feeds an activation: folds into its thresholds"
        elif rectified:
            made, why = (
                FixedNorm(module.num_features, bits=self.how.activations or 8, fraction=None, signed=False),
                "with its rectifier, integers",
            )
        elif any(isinstance(self.layer(user), nn.Conv2d | nn.Linear) for user in users):
            made = FixedNorm(
                module.num_features, bits=8, fraction=None, full_precision=not self.how.method.exportable
            )
            why = "feeds a convolution: 8-bit integers"
        else:
            made = self.how.fixed_norm(module.num_features, bits=10, fraction=None)  # type: ignore[assignment]
            why = "feeds a sum: fixed point"
        made.eps, made.momentum = module.eps, module.momentum
        made.load_state_dict(module.state_dict(), strict=False)
        self.put(node, made, type(module).__name__, why)

    def _activation(self, node: fx.Node, was: str) -> None:
        source = node.args[0]
        integer = self.how.name.startswith("int")
        before = self.layer(source)
        if isinstance(before, FixedNorm | FixedBias) and before.lo == 0:
            self.put(node, nn.Identity(), was, "done by the fixed-point layer before it")
            return
        made = (
            UniformActivation(self.how.activations or 8, signed=False) if integer else self.how.activation()
        )
        self.put(
            node,
            made,
            was,
            "activation" if not isinstance(made, nn.ReLU) else "left: full-precision activations",
        )

    def _average(self, node: fx.Node, module: Any) -> None:
        inputs, outputs = self.shapes[node.args[0]], self.shapes[node]  # type: ignore[index]
        was = type(module).__name__
        if outputs[2:] == (1, 1):
            area = inputs[2] * inputs[3]
            made: nn.Module = _Scaled(SumPool(), self.how.rescale(1.0 / area))
            self.put(node, made, was, f"sum over {inputs[2]}x{inputs[3]}, the factor in fixed point")
        elif isinstance(module, nn.AvgPool2d) and (side := _inexact(module)):
            made = _Scaled(SumPool(side), self.how.rescale(1.0 / side**2))
            self.put(node, made, was, f"sum over {side}x{side}, the factor in fixed point")
        elif isinstance(module, nn.AvgPool2d):
            self.put(
                node, AvgPool2d(module.kernel_size, module.stride, module.padding), was, "exact in evaluation"
            )
        else:
            self.changes.append(
                Change(str(node.target), was, was, "left: averages to several places are not in the hardware")
            )


def _inexact(module: nn.AvgPool2d) -> int:
    """Side of a square window whose area is no power of two, so that the factor has to be rounded; 0 for all
    others."""
    kernel, stride, padding = (
        (x, x) if isinstance(x, int) else tuple(x)
        for x in (module.kernel_size, module.stride, module.padding)
    )
    plain = (
        kernel == stride
        and padding == (0, 0)
        and kernel[0] == kernel[1]
        and not module.ceil_mode
        and module.divisor_override is None
    )
    return kernel[0] if plain and kernel[0] & (kernel[0] - 1) else 0


class _Scaled(nn.Sequential):
    """A layer and the fixed-point factor after it."""
