"""Building a network node by node: types inferred and names made unique as nodes are appended."""

from fermatnet.model.errors import InputError
from fermatnet.model.network.graph import needed
from fermatnet.model.network.node import Node
from fermatnet.model.network.rules import infer, is_index_output
from fermatnet.model.network.types import TensorType

__all__ = ["Builder"]


class Builder:
    """A network in the making.

    Attributes
    ----------
    nodes : in topological order.
    types : shape (C, H, W) and inclusive integer range of every tensor; the input is called ``image`` unless
        ``name`` says otherwise, and others are added here.
    indices : names of the tensors that hold piece indices rather than integers.
    """

    def __init__(self, shape: tuple[int, int, int], value_range: tuple[int, int], name: str = "image"):
        self.nodes: list[Node] = []
        self.types = {name: TensorType(shape, *value_range)}
        self.indices: set[str] = set()

    def append(self, node: Node) -> str:
        """Add ``node``, renamed where its name is taken; returns its name. Raises InputError naming the layer
        whose inputs do not fit."""
        base, count = node.name, 2
        while node.name in self.types:
            node.name, count = f"{base}_{count}", count + 1
        flags = [name in self.indices for name in node.inputs]
        try:
            self.types[node.name] = infer(node, [self.types[name] for name in node.inputs], flags)
        except InputError as error:
            raise InputError(f"layer {node.name!r}: {error}") from error
        if is_index_output(node, flags):
            self.indices.add(node.name)
        self.nodes.append(node)
        return node.name

    def needed(self, *names: str) -> list[Node]:
        """The nodes that the tensors ``names`` are computed from, in order."""
        kept = {node.name for name in names for node in needed(self.nodes, name)}
        return [node for node in self.nodes if node.name in kept]

    def channels(self, name: str) -> int:
        """Channels of a tensor."""
        return self.types[name].shape[0]
