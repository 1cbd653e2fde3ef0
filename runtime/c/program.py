"""From a network to steps: which tensors lie in memory, how, and what is computed on the way from one to the
next.

A tensor lies in memory where somebody reads it by windows, where two layers read it, or where it is the
output; every other layer is computed element by element inside the step that needs it, so that accumulators
never fill a map. Sums and maxima over disjoint windows are taken inside a step too, one pixel's channels at a
time."""

from dataclasses import dataclass, field

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.inputs import DTYPES
from fermatnet.model.network.nodes import (
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Levels,
    Lookup,
    MaxPool,
    Multiply,
    Node,
    Pad,
    PiecewiseConv,
    Requantize,
    SelectChannels,
    Slice,
    SumPool,
    TensorType,
    Threshold,
    TopK,
    Upsample,
)
from fermatnet.model.piecewise.planes import short_planes
from fermatnet.runtime.c.storage import Image, Integers, PlaneStore, Store, plane_code
from fermatnet.runtime.features import BASE, unhandled

__all__ = ["Program", "ProgramStep", "lower"]

SINGLE = (Affine, Requantize, Threshold, Levels, Lookup)  # element by element, of one tensor
REARRANGING = (Pad, Slice, Upsample, SelectChannels, DepthToSpace)
ELSEWHERE = (Conv, PiecewiseConv, Dense, ArgMax, TopK, *REARRANGING)
# what each layer type says of itself that the generated C goes by
KNOWN = {
    **BASE,
    "Conv": BASE["Conv"] | {"pad_value"},
    "SumPool": frozenset({"kernel", "stride", "pad", "pad_value"}),
    "Concat": frozenset({"axis"}),
    "Requantize": frozenset({"multiplier", "offset", "shift", "second", "zero", "lo", "hi", "at", "by"}),
    "Lookup": frozenset({"table", "first"}),
    "Multiply": frozenset({"zeros"}),
    "LogicJoin": frozenset({"table"}),
    "AddConstant": frozenset({"value"}),
    "Pad": frozenset({"pad", "value"}),
    "Slice": frozenset({"start", "stop", "step"}),
    "Upsample": frozenset({"factor", "mode", "value"}),
    "SelectChannels": frozenset({"order"}),
    "DepthToSpace": frozenset({"block"}),
    "TopK": frozenset({"k"}),
}


@dataclass(frozen=True)
class ProgramStep:
    """One step writes the tensor of ``root``. ``pool``: the disjoint pooling inside it ('' for none);
    ``leaves``: tensors read."""

    root: str
    pool: str
    leaves: tuple[str, ...]


@dataclass
class Program:
    """``stores``: how each tensor in memory lies (the image included); ``coefficients``: of the activation
    planes, by convolution; ``steps`` in the file's order. The output has no store: it goes to the caller."""

    net: Network
    steps: list[ProgramStep]
    stores: dict[str, Store]
    coefficients: dict[str, tuple[int, ...]] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)

    def seen(self, name: str) -> tuple[int, int]:
        """Rows and columns of a tensor that are computed at all: a pooling inside a step leaves out what its
        windows leave out."""
        for step in self.steps:
            if step.pool and name in self._inside(step.pool):
                kernel = disjoint_window(
                    self.nodes[step.pool], self.net.types[self.nodes[step.pool].inputs[0]]
                ) or (1, 1)
                _, rows, columns = self.net.types[step.pool].shape
                return rows * kernel[0], columns * kernel[1]
        return self.net.types[name].shape[1:]

    def _inside(self, name: str) -> set[str]:
        """Tensors that are computed on the way to ``name``, itself not counted."""
        sources = {source for source in self.nodes[name].inputs if self.fused(source)}
        return sources.union(*(self._inside(source) for source in sources))

    def fused(self, name: str) -> bool:
        """Whether a tensor is computed where it is needed rather than read from memory."""
        return name not in self.stores and name in self.nodes


def disjoint_window(node: Node, x: TensorType) -> tuple[int, int] | None:
    """The window of a pooling whose windows do not overlap and need no padding, else None."""
    if isinstance(node, SumPool) and node.disjoint:
        return node.window(x)
    if isinstance(node, MaxPool) and tuple(node.kernel) == tuple(node.stride) and not any(node.pad):
        return tuple(node.kernel)  # type: ignore[return-value]
    return None


def _windowed(net: Network, node: Node, source: str) -> bool:
    """Whether a layer reads that one of its inputs at other places than it writes."""
    if isinstance(node, ELSEWHERE) or (isinstance(node, Concat) and node.axis != 1):
        return True
    if isinstance(node, Multiply):  # one value a channel is computed once, not once a pixel
        return net.types[source].shape != net.types[node.name].shape
    return isinstance(node, MaxPool | SumPool) and disjoint_window(node, net.types[source]) is None


def _in_memory(net: Network) -> set[str]:
    """Names of the nodes whose tensors are written to memory (the output counts)."""
    kept = {net.output}
    for node in net.nodes:
        readers = net.consumers(node.name)
        again = isinstance(node, Levels) and (node.inputs[0] in kept or node.inputs[0] == net.input_name)
        if (
            isinstance(node, Concat)
            or any(_windowed(net, reader, node.name) for reader in readers)
            or (len(readers) > 1 and not again)
        ):
            kept.add(node.name)
    return kept | _inner_pools(net, kept)


def _inner_pools(net: Network, kept: set[str]) -> set[str]:
    """Disjoint poolings that no step can hold: those with more than single element-wise layers between them
    and memory, or with another pooling between."""
    inner = set()
    for node in net.nodes:
        if disjoint_window(node, net.types[node.inputs[0]]) is None:
            continue
        name = node.name
        while name not in kept and name not in inner:
            (reader,) = net.consumers(name) if len(net.consumers(name)) == 1 else (None,)
            if not isinstance(reader, SINGLE):
                inner.add(node.name)
                break
            name = reader.name
    return inner


def _root_pool(program: Program, root: str) -> str:
    """The disjoint pooling that a step's root is computed from by element-wise layers alone, or ''."""
    name = root
    while True:
        node = program.nodes[name]
        if disjoint_window(node, program.net.types[node.inputs[0]]) is not None:
            return name
        if not isinstance(node, SINGLE) or not program.fused(node.inputs[0]):
            return ""
        name = node.inputs[0]


def _leaves(program: Program, root: str) -> tuple[str, ...]:
    leaves: list[str] = []

    def walk(name: str) -> None:
        for source in program.nodes[name].inputs:
            if program.fused(source):
                walk(source)
            elif source not in leaves:
                leaves.append(source)

    walk(root)
    return tuple(leaves)


def _flat(net: Network, node: Node, x: TensorType) -> bool:
    """Whether a piecewise convolution takes the whole map at once, as a dense layer does."""
    return (
        isinstance(node, PiecewiseConv)
        and tuple(node.codes.shape[2:]) == tuple(x.shape[1:])
        and not any(node.pad)
        and node.group == 1
        and (x.shape[1:] == (1, 1) or tuple(node.dilation) == (1, 1))
    )


def _products_cheaper(node: PiecewiseConv, planes: int) -> bool:
    """Whether integer products take fewer instructions than the pairs of planes: about 2.5 a product, 11 a
    word of a pair (counted on a Cortex-M4 and rv32imc without an instruction that counts bits)."""
    used = node.levels_w[sorted({int(code) for code in np.unique(node.codes)} | {len(node.levels_w) // 2})]
    taps = node.codes[0].size
    return 11 * -(-taps // 32) * short_planes(used).count * planes > 2.5 * taps


def _index_store(program: Program, name: str, fast: bool) -> Store:
    net, kind = program.net, program.net.types[name]
    readers = [reader for reader in net.consumers(name) if isinstance(reader, PiecewiseConv)]
    if not readers:
        return Integers(kind)
    code, coefficients = plane_code(kind.hi, [reader.levels_a for reader in readers])
    if fast and all(_products_cheaper(reader, code.planes) for reader in readers):
        return Integers(kind)
    for reader, row in zip(readers, coefficients, strict=True):
        program.coefficients[reader.name] = row
    return PlaneStore(kind, code, flat=all(_flat(net, reader, kind) for reader in readers))


def _check(net: Network) -> None:
    """InputError for a layer, or something that a layer says, that C does not know: nothing is left out in
    silence."""
    gap = unhandled(net, KNOWN, tuple(DTYPES))
    if gap:
        raise InputError(f"{gap}: there is no C for that; use another engine")
    if net.consumers(net.output):
        raise InputError(f"output {net.output!r} is read by a layer as well: there is no C for that")


def lower(net: Network, fast: bool = False) -> Program:
    """The steps and stores of a network. ``fast``: piecewise layers of many levels as integer products.

    Raises InputError naming a layer for which there is no C.
    """
    _check(net)
    kept = _in_memory(net)
    program = Program(
        net,
        [],
        {net.input_name: Image(net.types[net.input_name], net.input_dtype)},
        nodes={node.name: node for node in net.nodes},
    )
    for node in net.nodes:
        if node.name in kept:
            store = (
                _index_store(program, node.name, fast)
                if net.is_index(node.name)
                else Integers(net.types[node.name])
            )
            program.stores[node.name] = store
    for node in net.nodes:
        if node.name in kept:
            program.steps.append(
                ProgramStep(node.name, _root_pool(program, node.name), _leaves(program, node.name))
            )
    del program.stores[net.output]
    return program
