"""A network as a checked graph: every tensor's shape and exact value range, known before anything runs or is generated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fermatnet.model.errors import InputError
from fermatnet.model.network.node import Node
from fermatnet.model.network.rules import infer, is_index_output
from fermatnet.model.network.types import TensorType

__all__ = ["Network", "needed"]


def needed(nodes: Sequence[Node], name: str) -> list[Node]:
    """Those of ``nodes`` (in topological order) that the tensor ``name`` is computed from, in the same order."""
    wanted, kept = {name}, []
    for node in reversed(nodes):
        if node.name in wanted:
            kept.append(node)
            wanted |= set(node.inputs)
    return kept[::-1]


@dataclass(eq=False)
class Network:
    """Nodes in topological order between the raw image (uint8, NCHW) and one output tensor.

    Parameters
    ----------
    nodes : list[Node]
        Each reads ``input_name`` or earlier nodes by name.
    input_shape : (C, H, W)
    input_range : (lo, hi)
        Values the image may hold, within 0..255.
    output : str
        The node whose tensor leaves; by default the last one.
    meta : dict[str, str]
        Provenance and scales, free text by key.

    Raises
    ------
    InputError
        One line that names the node: unknown or repeated names, shapes that do not fit, values out of their range,
        levels or thresholds out of order, accumulators beyond 32 bits.
    """

    nodes: list[Node]
    input_shape: tuple[int, int, int]
    input_range: tuple[int, int] = (0, 255)
    input_name: str = "image"
    output: str = ""
    meta: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.nodes:
            raise InputError("a network needs at least one layer")
        self.output = self.output or self.nodes[-1].name
        self.input_shape = tuple(self.input_shape)  # type: ignore[assignment]
        lo, hi = self.input_range
        if len(self.input_shape) != 3 or min(self.input_shape) < 1:
            raise InputError(f"input shape must be three positive numbers (C, H, W), not {self.input_shape}")
        if not 0 <= lo <= hi <= 255:
            raise InputError(f"input range must lie within 0..255, not {lo}..{hi}")
        assert self.types  # the checks run now
        if self.output not in self.types:
            raise InputError(f"output {self.output!r} is not a layer")
        for node in self.nodes:
            if node.name != self.output and not self.consumers(node.name):
                raise InputError(f"layer {node.name!r} is read by nobody")

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every tensor by name: shape and the range that the true weights allow."""
        lo, hi = self.input_range
        types = {self.input_name: TensorType(self.input_shape, lo, hi)}
        indices: set[str] = set()
        for node in self.nodes:
            if not node.name or node.name in types:
                raise InputError(f"layer name {node.name!r} is empty or used twice")
            for name in node.inputs:
                if name not in types:
                    raise InputError(f"layer {node.name!r} reads {name!r}, which no earlier layer writes")
            try:
                flags = [name in indices for name in node.inputs]
                types[node.name] = infer(node, [types[name] for name in node.inputs], flags)
            except InputError as error:
                raise InputError(f"layer {node.name!r}: {error}") from error
            if is_index_output(node, flags):
                indices.add(node.name)
        self._indices = indices
        return types

    def is_index(self, name: str) -> bool:
        """Whether a tensor holds piece indices (uint8) rather than integers."""
        return name in self.types and name in self._indices

    def consumers(self, name: str) -> list[Node]:
        """Nodes that read a tensor, in order; a node that reads it twice stands twice."""
        return [node for node in self.nodes for read in node.inputs if read == name]

    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise InputError(f"no layer is called {name!r}")

    @property
    def classes(self) -> int:
        return self.types[self.output].shape[0]
