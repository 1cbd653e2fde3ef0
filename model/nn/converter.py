"""What each step of a traced model becomes under a scheme: the converter behind `fermatnet.model.nn.convert`,
and its report."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.activations import constant, curve
from fermatnet.model.nn.averages import average
from fermatnet.model.nn.coded import CodedActivation, CodedWeight
from fermatnet.model.nn.convert_steps import as_layers, drop_unused, fold_biases, leaving
from fermatnet.model.nn.convert_widths import insert_after, wide
from fermatnet.model.nn.curves import ceiling_of, is_curve, is_rectifier, rises_from_zero
from fermatnet.model.nn.door.entries import Entry
from fermatnet.model.nn.door.report import Change, Report
from fermatnet.model.nn.door.ties import SharedParameters
from fermatnet.model.nn.entering import first_layers, give_bias, raw_integers
from fermatnet.model.nn.fixed_point import BatchNorm, FixedBias, FixedNorm
from fermatnet.model.nn.layers import Constant, Linear
from fermatnet.model.nn.mixed import schemes_of
from fermatnet.model.nn.moves import Reshape
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.nn.twins import Scaled, weighted_twin
from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["Change", "Converter"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
TINY_EPS = torch.finfo(torch.float32).tiny  # torch trains no norm with eps = 0; this one changes no variance


class Converter:
    """One conversion: a traced model that the table understands, rewritten step by step by `run`. ``source``
    is changed in place."""

    def __init__(
        self,
        source: nn.Module,
        graph: fx.Graph,
        shapes: dict[fx.Node, tuple[int, ...]],
        scheme: Scheme,
        inputs: Sequence[Entry],
        report: Report,
    ):
        self.source, self.graph, self.shapes = source, graph, shapes
        self.replaced: set[str] = set()
        self.shared = SharedParameters()
        self.activations: dict[str, nn.Module] = {}  # the real functions of the twin's activations, by name
        self.changes = report
        # rows (n, C, L) that leave are maps of one row inside
        self.leaving = [shapes.get(node, ())[1:] for node in leaving(graph)]
        as_layers(source, graph, shapes)
        for name in drop_unused(graph):
            report.note(name, "step", "nothing", "its result is read by nobody: left out")
        weighted = [node for node in graph.nodes if isinstance(self.layer(node), nn.Conv2d | nn.Linear)]
        self.first = first_layers(graph, weighted)
        if any(one.normal is not None for one in inputs):
            for node in self.first:
                give_bias(self, node)
        fold_biases(source, graph)
        self.root = fx.GraphModule(source, graph)
        self.scheme, self.inputs = scheme, inputs
        self.bits = max(one.pixels.bits for one in inputs)
        self.weighted = weighted
        if not self.weighted:
            raise InputError(
                f"{type(source).__name__} has no layer to quantize: it needs an nn.Conv2d or an nn.Linear"
            )
        self.schemes, self.torn = schemes_of(self) if scheme.layers else ({}, [])

    def at(self, node: Any) -> Scheme:
        """The scheme of a step, of a layer with weights or an activation for instance."""
        return self.schemes.get(node, self.scheme.common) if self.scheme.layers else self.scheme

    def layer(self, node: Any) -> Any:
        """The module of a step: the new one where it is replaced already."""
        if not isinstance(node, fx.Node) or node.op != "call_module":
            return None
        return (self.root if node.target in self.replaced else self.source).get_submodule(str(node.target))

    def put(self, node: fx.Node, module: nn.Module, was: str, why: str) -> None:
        """Let ``module`` do this step: under the step's own name, so that a module used twice becomes two."""
        name = node.name if "call" in node.meta else str(node.target).replace(".", "_")
        while hasattr(self.root, name) and name not in self.replaced:
            name += "_q"
        while name in self.replaced:
            name += "_again"
        self.replaced.add(name)
        self.root.add_module(name, module)
        node.op, node.target, node.kwargs = "call_module", name, {}
        node.args = (node.args[0],)
        self.changes.note(
            name, was, type(module).__name__ + (f" {module.extra_repr()}" if module.extra_repr() else ""), why
        )

    def is_relu(self, node: fx.Node) -> bool:
        """Whether the layer of a node is a rectifier, with or without a ceiling."""
        return is_rectifier(self.layer(node))

    def ceiling(self, node: fx.Node) -> float | None:
        """Where a rectifier saturates; None: nowhere."""
        return ceiling_of(self.layer(node))

    def in_pieces(self, node: fx.Node) -> bool:
        """Whether an activation that is no rectifier becomes pieces under its scheme."""
        whole, fixed_point = self.scheme.method.exportable, self.at(node).method.fixed_point
        return whole and not fixed_point and rises_from_zero(self.layer(node))

    def curved(self, node: fx.Node, pieces: bool) -> bool:
        """Whether activations that are no rectifiers are all that reads a step: as pieces, or as tables."""
        users = list(node.users)
        return bool(users) and all(
            is_curve(self.layer(user)) and self.in_pieces(user) == pieces for user in users
        )

    def rectified(self, node: fx.Node) -> bool:
        """Whether rectifiers are all that reads a step, all saturate at one value and have one scheme."""
        users = list(node.users)
        alike = {(self.ceiling(user), self.at(user)) for user in users if self.is_relu(user)}
        return all(map(self.is_relu, users)) and len(alike) == 1

    def rectifier(self, node: fx.Node) -> Scheme:
        """The scheme of the rectifiers that read a step; of a step that others read, its own."""
        return self.at(next(iter(node.users)) if self.rectified(node) else node)

    def run(self) -> fx.GraphModule:
        """The twin; its input is the raw image."""
        for node in list(self.graph.nodes):
            if node.op == "call_module":
                self._module(node, self.layer(node))
        if self.scheme.method.exportable:
            for source, readers in wide(self.root, self.graph):
                made = insert_after(self.graph, self.root, source, self.scheme.rescale(bits=8), readers)
                self.changes.note(
                    str(made.target),
                    "",
                    "Rescale",
                    "what comes before is too wide for the next layer: 8-bit integers",
                )
        for node, dims in zip(leaving(self.graph), self.leaving, strict=True):
            if len(dims) == 2:
                readers = [user for user in node.users if user.op == "output"]
                insert_after(self.graph, self.root, node, Reshape(tuple(dims)), readers)
        raw_integers(self, self.inputs)
        self.graph.lint()
        self.root.delete_all_unused_submodules()
        return fx.GraphModule(self.root, self.graph)

    def _module(self, node: fx.Node, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            self._weighted(node, module)
        elif isinstance(module, _NORMS):
            self._norm(node, module)
        elif self.is_relu(node):
            self._activation(node, type(module).__name__)
        elif is_curve(module):
            curve(self, node, module)
        elif isinstance(module, nn.AvgPool2d):
            average(self, node, module)
        elif isinstance(module, Constant):
            constant(self, node, module)

    def _weighted(self, node: fx.Node, module: Any) -> None:
        leaves = any(user.op == "output" for user in node.users)
        edge = leaves or node in self.first or node is self.weighted[-1]
        depthwise = (
            isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels
        )
        shape, how = tuple(module.weight.shape), self.at(node)
        if edge or depthwise:
            quantizer = how.edge_weight()
            why = (
                "first layer" if node in self.first else "last layer" if edge else "depthwise: few operations"
            )
        else:
            quantizer, why = how.weight(shape), "inner layer"
        if self.scheme.layers:
            why += f", {how.describe()}"
        wide = self.bits > 8  # whatever reads the image has to sum exactly
        made: Any = weighted_twin(module, quantizer, self.bits if wide or node in self.first else 8)
        self.shared.take(made, module)
        bias = self._own_bias(node, made)
        unscaled = any(
            node_user.target in (torch.cat, torch.concat) or isinstance(self.layer(node_user), nn.AvgPool2d)
            for node_user in node.users
        )
        # channels that meet in one tensor need units that are near each other
        if unscaled and bias is None and any(one.method.fixed_point for one in self.scheme.schemes):
            made, why = (
                Scaled(made, self.scheme.rescale(bits=10)),
                f"{why}; rescaled before it joins other channels",
            )
        self.put(node, made, type(module).__name__, why)
        if bias is not None:
            made_bias = insert_after(self.graph, self.root, node, bias)
            self.replaced.add(str(made_bias.target))
            self.shapes[made_bias] = self.shapes[node]
            self.changes.note(
                f"{node.target}.bias",
                "bias",
                f"FixedBias {bias.extra_repr()}",
                "no norm takes it up: fixed point",
            )

    def _own_bias(self, node: fx.Node, made: Any) -> FixedBias | None:
        """The bias as a layer of its own, where hardware has no other place for it: not a dense layer's, not
        thresholds."""
        rectified, how = self.rectified(node), self.rectifier(node)
        integer = how.method.fixed_point
        # a rectified dense layer's goes with its rectifier: a multiplier a channel lets calibration give
        # every channel its own step
        dense = isinstance(made, Linear) and not (
            rectified if integer else isinstance(made.quantizer, PiecewiseWeight | CodedWeight)
        )
        folded = (rectified and not integer) or self.curved(node, pieces=True)  # into thresholds
        if made.bias is None or not self.scheme.method.exportable or dense or folded:
            return None
        feeds = self.curved(node, pieces=False) or any(
            isinstance(self.layer(user), nn.Conv2d | nn.Linear) for user in node.users
        )
        bias = FixedBias(
            len(made.bias),
            bits=(how.activations or 8) if rectified else 8 if feeds else 10,
            signed=not rectified,
        )
        bias.bias = made.bias  # the parameter itself: tied and frozen as it was
        bias.ceiling = self.ceiling(next(iter(node.users))) if rectified else None
        made.bias = None
        return bias

    def _norm(self, node: fx.Node, module: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        users = list(node.users)
        rectified, how = self.rectified(node), self.rectifier(node)
        integer = how.method.fixed_point
        made: BatchNorm
        if (rectified and not integer) or self.curved(node, pieces=True):
            made, why = BatchNorm(module.num_features), "feeds an activation: folds into its thresholds"
        elif rectified:
            made, why = (
                FixedNorm(module.num_features, bits=how.activations or 8, fraction=None, signed=False),
                "with its rectifier, integers",
            )
            made.ceiling = self.ceiling(users[0])
        elif self.curved(node, pieces=False) or any(
            isinstance(self.layer(user), nn.Conv2d | nn.Linear) for user in users
        ):
            made = FixedNorm(
                module.num_features, bits=8, fraction=None, full_precision=not self.scheme.method.exportable
            )
            why = "feeds a convolution or a table: 8-bit integers"
        else:
            made = self.scheme.fixed_norm(module.num_features, bits=10, fraction=None)  # type: ignore[assignment]
            why = "feeds a sum: fixed point"
        made.eps = module.eps or TINY_EPS
        made.momentum = module.momentum
        made.load_state_dict(module.state_dict(), strict=False)
        self.shared.take(made, module)
        self.put(node, made, type(module).__name__, why)

    def _activation(self, node: fx.Node, was: str) -> None:
        how, ceiling = self.at(node), self.ceiling(node)
        integer = how.method.fixed_point
        before = self.layer(node.args[0])
        if isinstance(before, FixedNorm | FixedBias) and before.lo == 0 and before.ceiling == ceiling:
            self.put(node, nn.Identity(), was, "done by the fixed-point layer before it")
            return
        made: nn.Module = (
            UniformActivation(how.activations or 8, signed=False) if integer else how.activation()
        )
        why = "activation" if not isinstance(made, nn.ReLU) else "left: full-precision activations"
        if node in self.torn:
            why += ", its readers have several schemes: of the common one"
        if ceiling is not None:
            why += f", saturates at {ceiling:g}"
            if isinstance(made, UniformActivation | PiecewiseActivation | CodedActivation):
                made.ceiling = ceiling
            else:
                saturated = nn.Hardtanh(0.0, ceiling)
                made = saturated if isinstance(made, nn.ReLU) else nn.Sequential(saturated, made)
        self.put(node, made, was, why)
        self.activations[str(node.target)] = nn.ReLU() if ceiling is None else nn.Hardtanh(0.0, ceiling)
