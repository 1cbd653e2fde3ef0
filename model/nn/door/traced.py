"""The steps of a model in evaluation, with the shapes between them, and what training would do otherwise."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.door.report import Report
from fermatnet.model.nn.door.wrappers import USER_ERRORS
from fermatnet.model.nn.moves import Move
from fermatnet.model.nn.operators import site_of
from fermatnet.model.nn.operators.layouts import moved_places, moves_values, places_of, recognised
from fermatnet.model.nn.walk import trace

__all__ = ["shapes_of", "traced"]

IMAGES = (
    3  # of the batch that shapes are taken of: neither 1, which squeezes away, nor 2, which a model may name
)


def traced(source: nn.Module, report: Report, names: Sequence[str] | None = None) -> fx.Graph:
    """The graph of a model in evaluation, of the inputs ``names`` (None: those it cannot do without). The
    report says which optional arguments keep their defaults, and what training does besides."""
    source.eval()
    graph = trace(source, names)
    source.train()
    try:
        training: fx.Graph | None = trace(source, names)
    except InputError:
        training = None
    source.eval()
    for node in graph.nodes:
        if node.op == "call_module" and not node.args and set(node.kwargs) == {"input"}:
            node.args, node.kwargs = (node.kwargs["input"],), {}
    _mark_dropout(source, graph, training, report)
    inputs = {str(node.target) for node in graph.nodes if node.op == "placeholder"}
    for parameter in list(inspect.signature(type(source).forward).parameters.values())[1:]:
        kinds = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.kind not in kinds and parameter.name not in inputs:
            report.note(
                f"argument {parameter.name!r}",
                "optional",
                repr(parameter.default),
                "it keeps its default: the image is the input",
            )
    return graph


def _mark_dropout(source: nn.Module, graph: fx.Graph, training: fx.Graph | None, report: Report) -> None:
    """``meta["trains"]`` of the steps that drop values in training only."""
    steps, others = list(graph.nodes), list(training.nodes) if training is not None else []
    if [(node.op, node.target) for node in steps] != [(node.op, node.target) for node in others]:
        report.note(
            "model",
            "training",
            "evaluation",
            "it takes other steps in training; the twin is of its evaluation",
        )
        return
    for node, other in zip(steps, others, strict=True):
        assert training is not None
        node.meta["trains"] = bool(site_of(source, training, other, {}).given.get("training"))


class _Values(fx.Interpreter):
    """Keeps the shapes of tensors, the whole numbers that a model computes of them, and what becomes of
    places in steps that only move values."""

    def __init__(self, module: nn.Module, graph: fx.Graph, follows: bool):
        super().__init__(module, graph=graph)  # type: ignore[arg-type]
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.numbers: dict[fx.Node, int] = {}
        self.follows = follows
        self.places: dict[fx.Node, tuple[fx.Node, Any]] = {}  # (tensor, what became of its places)
        self.moves: dict[fx.Node, tuple[fx.Node, list[Move]]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if self.follows and moves_values(self.module, n):
            self._follow(n)
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        elif isinstance(value, int) and not isinstance(value, bool):
            self.numbers[n] = value
        return value

    def _follow(self, n: fx.Node) -> None:
        """Run a step on places, and look for the layers that do the same."""
        first = n.args[0] if n.args else n.kwargs.get("input")
        if not isinstance(first, fx.Node) or not (first in self.places or first in self.shapes):
            return
        base, start = self.places.get(first) or (first, places_of(self.shapes[first]))
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        args, kwargs = ((start, *args[1:]), kwargs) if n.args else (args, {**kwargs, "input": start})
        try:
            result = moved_places(self.module, n, args, kwargs)
        except USER_ERRORS:  # a mode that takes no places
            return
        found = recognised(result, self.shapes[base])
        if found is None:
            self.places[n] = (base, result)
        else:
            self.moves[n] = (base, found)


def shapes_of(
    source: nn.Module, graph: fx.Graph, dims: Sequence[tuple[int, ...]]
) -> dict[fx.Node, tuple[int, ...]]:
    """Shape of every step that is a tensor, for a batch of three images; ``dims``: of one sample of each
    input.

    A side of a map that a step takes as an argument (``F.avg_pool2d(x, x.size(3))``) is put in as the number
    it is; the number of images, which differs between batches, is not. Steps that only move values get
    ``meta["moves"]``: the tensor that they begin with and the layers that do the same.
    """
    try:
        with torch.no_grad():
            runs = [_Values(source, graph, follows=True), _Values(source, graph, follows=False)]
            for count, values in enumerate(runs, IMAGES):
                values.run(*(torch.zeros(count, *one) for one in dims))
    except USER_ERRORS as error:
        what = str(error).splitlines()[0]
        shown = " and ".join("x".join(map(str, one)) for one in dims)
        raise InputError(f"the model does not take images of {shown}: {what}") from error
    fixed = {n: number for n, number in runs[0].numbers.items() if runs[1].numbers.get(n) == number}
    shapes = runs[0].shapes
    for n, (base, moves) in runs[0].moves.items():
        n.meta["moves"] = base, moves
    for node in shapes:
        node.args = fx.node.map_arg(node.args, lambda n: fixed.get(n, n))
        node.kwargs = fx.node.map_arg(node.kwargs, lambda n: fixed.get(n, n))
    return shapes
