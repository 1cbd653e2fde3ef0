"""Gradient paths of a block (section 5.3.4): how many, how long, how many binary parameters each.

A gradient path is a sequence of binary convolutions that a gradient meets on its way from the output of a
block to its input; everything real-valued is free. Two routes through the same convolutions are one path, so
that a shortcut around a shortcut adds none. Path tables 5.2 and 5.3 come out of `gradient_paths`;
`path_statistics` counts without listing, for blocks with millions of paths.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.errors import InputError
from fermatnet.model.zoo.binary import BinaryConv2d, Concat, Join, Sum
from fermatnet.model.zoo.binarydensenet import DenseLayer, DenseStage
from fermatnet.model.zoo.bireal import BinaryResidualBlock
from fermatnet.model.zoo.fractal import DenseFractalBlock, ResidualFractalBlock

__all__ = ["Path", "PathGraph", "gradient_paths", "path_graph", "path_statistics", "two_layer_blocks"]

LIST_LIMIT = 100_000


@dataclass(frozen=True)
class Path:
    """Names of the convolutions from input to output and the number of binary parameters on them."""

    convolutions: tuple[str, ...]
    parameters: int

    @property
    def length(self) -> int:
        """Convolutions on the path."""
        return len(self.convolutions)


@dataclass(frozen=True)
class PathGraph:
    """Convolutions in topological order, their parameters, and which follow which without another one in
    between.

    successors: for "" (the block's input) and each convolution, the set of convolutions reached directly, and
    None where the output is.
    """

    parameters: dict[str, int]
    successors: dict[str, frozenset[str | None]]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, BinaryConv2d | Sum | Join | Concat) or super().is_leaf_module(
            module, qualified_name
        )


def path_graph(block: nn.Module) -> PathGraph:
    """The graph of binary convolutions of a block with one input and one output."""
    try:
        graph = _Tracer().trace(block)
    except (fx.proxy.TraceError, TypeError) as error:
        raise InputError(
            f"cannot follow the data flow of {type(block).__name__}: {str(error).splitlines()[0]}"
        ) from error
    modules = dict(block.named_modules())
    sources: dict[fx.Node, frozenset[str]] = {}
    parameters: dict[str, int] = {}
    reached: dict[str, set[str | None]] = {"": set()}
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    if len(placeholders) != 1:
        raise InputError(f"a block with one input is needed, {type(block).__name__} has {len(placeholders)}")
    for node in graph.nodes:
        here: frozenset[str] = frozenset().union(*(sources[argument] for argument in node.all_input_nodes))
        if node.op == "placeholder":
            here = frozenset([""])
        elif node.op == "call_module" and isinstance(modules[node.target], BinaryConv2d):
            name = str(node.target)
            parameters[name] = modules[node.target].weight.numel()
            reached[name] = set()
            for source in here:
                reached[source].add(name)
            here = frozenset([name])
        elif node.op == "output":
            for source in here:
                reached[source].add(None)
        sources[node] = here
    return PathGraph(parameters, {name: frozenset(following) for name, following in reached.items()})


def gradient_paths(block: nn.Module) -> list[Path]:
    """All paths, the longest first (ties: in the order of the convolutions). More than 100,000 is an
    `InputError`."""
    graph = path_graph(block)
    total = path_statistics(block)["paths"]
    if total > LIST_LIMIT:
        raise InputError(
            f"{total} gradient paths are too many to list (limit {LIST_LIMIT}); path_statistics counts them"
        )
    order = {name: index for index, name in enumerate(graph.parameters)}
    paths: list[Path] = []

    def extend(name: str, convolutions: tuple[str, ...], weight: int) -> None:
        for following in graph.successors[name]:
            if following is None:
                paths.append(Path(convolutions, weight))
            else:
                extend(following, (*convolutions, following), weight + graph.parameters[following])

    extend("", (), 0)
    return sorted(paths, key=lambda path: (-path.length, [order[name] for name in path.convolutions]))


def path_statistics(block: nn.Module) -> dict[str, Any]:
    """The three measures: paths, average_length, and for each length the number and the average binary
    parameters."""
    graph = path_graph(block)
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    weights: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    counts[""][0] = 1
    by_length: dict[int, int] = defaultdict(int)
    by_weight: dict[int, int] = defaultdict(int)
    for name in ["", *graph.parameters]:
        for following in graph.successors[name]:
            for length, count in list(counts[name].items()):
                if following is None:
                    by_length[length] += count
                    by_weight[length] += weights[name][length]
                else:
                    counts[following][length + 1] += count
                    weights[following][length + 1] += (
                        weights[name][length] + count * graph.parameters[following]
                    )
    total = sum(by_length.values())
    return {
        "paths": total,
        "average_length": sum(length * count for length, count in by_length.items()) / total
        if total
        else 0.0,
        "lengths": {
            length: {"paths": by_length[length], "average_parameters": by_weight[length] / by_length[length]}
            for length in sorted(by_length)
        },
        "binary_parameters": sum(graph.parameters.values()),
    }


def two_layer_blocks(channels: int = 64, growth: int = 32) -> dict[str, nn.Module]:
    """The six blocks of figures 5.2 and 5.3, in the order of tables 5.2 and 5.3, on the meta device."""
    with torch.device("meta"):
        return {
            "Bi-Real ResNet": BinaryResidualBlock(channels, channels, 1, "layer"),
            "UA-ResNet": ResidualFractalBlock(2, channels),
            "BinaryDenseNet": DenseStage(channels, growth, 2, 1, lambda c: DenseLayer(c, growth)),
            "UA-DenseNet": DenseFractalBlock(2, channels, growth),
            "Enhanced Bi-Real ResNet": BinaryResidualBlock(channels, channels, 1, "enhanced"),
            "Enhanced BinaryDenseNet": DenseStage(
                channels, growth // 2, 4, 1, lambda c: DenseLayer(c, growth // 2)
            ),
        }
