"""A network as a checked graph: every tensor's shape and exact value range, known before anything runs or is
generated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fermatnet.model.errors import InputError
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.node import Node
from fermatnet.model.network.rules import infer, is_index_output
from fermatnet.model.network.types import TensorType

__all__ = ["Network", "needed"]


def needed(nodes: Sequence[Node], name: str) -> list[Node]:
    """Those of ``nodes`` (in topological order) that the tensor ``name`` is computed from, in the same
    order."""
    wanted, kept = {name}, []
    for node in reversed(nodes):
        if node.name in wanted:
            kept.append(node)
            wanted |= set(node.inputs)
    return kept[::-1]


@dataclass(eq=False)
class Network:
    """Nodes in topological order between raw integers (NCHW) and the tensors that leave.

    Parameters
    ----------
    nodes : list[Node]
        Each reads an input or earlier nodes by name.
    input_shape : (C, H, W), (c, n) or (n,)
        Of the first input; kept as (C, H, W).
    input_range : (lo, hi)
        Values it may hold.
    input_dtype : str
        uint8, int8, uint16 or int16; by default the narrowest that holds the range.
    more_inputs : tuple[Input, ...]
        Where several tensors come in.
    output : str
        The node whose tensor leaves; by default the last one.
    outputs : tuple[str, ...]
        All tensors that leave, ``output`` the first of them.
    meta : dict[str, str]
        Provenance and scales, free text by key.

    Raises
    ------
    InputError
        One line that names the node: unknown or repeated names, shapes that do not fit, values out of their
        range, levels or thresholds out of order, accumulators beyond 32 bits.
    """

    nodes: list[Node]
    input_shape: tuple[int, ...]
    input_range: tuple[int, int] = (0, 255)
    input_name: str = "image"
    output: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    input_dtype: str = ""
    more_inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.nodes:
            raise InputError("a network needs at least one layer")
        first = Input(self.input_name, self.input_shape, *self.input_range, self.input_dtype)
        self.inputs = (first, *self.more_inputs)
        self.input_shape, self.input_dtype = first.shape, first.dtype
        self.output = self.output or (self.outputs[0] if self.outputs else self.nodes[-1].name)
        self.outputs = self.outputs or (self.output,)
        assert self.types  # the checks run now
        for name in self.outputs:
            if all(name != node.name for node in self.nodes):
                raise InputError(
                    f"output {name!r} is not a layer: name layers only, an input needs no output"
                )
        if self.outputs[0] != self.output or len(set(self.outputs)) != len(self.outputs):
            raise InputError(
                f"outputs {', '.join(self.outputs)} must be different, {self.output!r} the first of them: "
                "give each tensor once"
            )
        for name in (*(net_input.name for net_input in self.inputs), *(node.name for node in self.nodes)):
            if name not in self.outputs and not self.consumers(name):
                kind = "input" if any(net_input.name == name for net_input in self.inputs) else "layer"
                raise InputError(f"{kind} {name!r} is read by nobody")

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """Type of every tensor by name: shape and the range that the true weights allow."""
        types = {net_input.name: net_input.type for net_input in self.inputs}
        if len(types) != len(self.inputs):
            raise InputError("two inputs have one name")
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
        return [node for node in self.nodes for _ in range(node.inputs.count(name))]

    def node(self, name: str) -> Node:
        """The layer called ``name``; InputError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise InputError(f"no layer is called {name!r}")

    @property
    def input_dims(self) -> tuple[int, ...]:
        """Shape of one sample of the first input as its owner sees it."""
        return self.inputs[0].dims

    def is_input(self, name: str) -> bool:
        """Whether a tensor comes from outside."""
        return any(net_input.name == name for net_input in self.inputs)

    @property
    def classes(self) -> int:
        """Channels of the output."""
        return self.types[self.output].shape[0]
