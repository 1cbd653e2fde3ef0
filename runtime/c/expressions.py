"""One step's statements: what is done once a pixel, and how one channel's value is computed from its sources.

Arithmetic is exact and defined everywhere: shifts only of unsigned numbers (offsets are raised so that
nothing is negative when it is shifted, and the raise is taken off after), sums in unsigned or in a type that
the proven ranges fit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from fermatnet.model.network.nodes import (
    Add,
    AddConstant,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Levels,
    LogicJoin,
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
from fermatnet.runtime.c import joins, rearrange, reduce, requantize, windows
from fermatnet.runtime.c.place import Place, literal
from fermatnet.runtime.c.popcount import DotKernels
from fermatnet.runtime.c.program import Program
from fermatnet.runtime.c.storage import Image, Integers, PlaneStore, ctype, value_type
from fermatnet.runtime.c.tables import Tables

__all__ = ["Expressions"]

_LAYERS: dict[type[Node], Callable[..., str]] = {
    Add: joins.add,
    AddConstant: joins.add_constant,
    Affine: requantize.affine,
    ArgMax: reduce.argmax,
    Concat: rearrange.concatenation,
    Conv: windows.convolution,
    Dense: windows.dense,
    DepthToSpace: rearrange.depth_to_space,
    LogicJoin: joins.logic,
    Lookup: joins.lookup,
    MaxPool: windows.largest,
    Multiply: joins.multiply,
    Pad: rearrange.pad,
    PiecewiseConv: windows.piecewise,
    Requantize: requantize.requantize,
    SelectChannels: rearrange.select,
    Slice: rearrange.slice_,
    SumPool: reduce.window_sum,
    TopK: reduce.top,
    Upsample: rearrange.upsample,
}
SCAN = 8  # thresholds up to which each is compared; beyond, they are searched by halving


@dataclass
class Expressions:
    """Statements of one step under way.

    ``pixel`` run once a pixel before its channels, ``channel`` once a channel; ``pointers``: C names of
    tensors and scratch arrays; ``pooled``: arrays that hold a pixel's channels of a pooling, and the type of
    their values; ``sums``: nodes whose checksum is already taken (shared by all steps), None where no
    checksums are wanted."""

    program: Program
    tables: Tables
    kernels: DotKernels
    sums: set[str] | None = None
    pixel: list[str] = field(default_factory=list)
    channel: list[str] = field(default_factory=list)
    pointers: dict[str, str] = field(default_factory=dict)
    scratch: dict[str, tuple[str, int]] = field(default_factory=dict)
    pooled: dict[str, tuple[str, str]] = field(default_factory=dict)
    count: int = 0

    def type(self, name: str) -> TensorType:
        """Shape and range of a tensor."""
        return self.program.net.types[name]

    def fresh(self) -> str:
        """A name that was not used yet."""
        self.count += 1
        return f"v{self.count}"

    def variable(self, element: str, expression: str) -> str:
        """Keeps an expression of C in a new constant; its name."""
        name = self.fresh()
        self.channel.append(f"const {element} {name} = {expression};")
        return name

    def pointer(self, name: str) -> str:
        """The C name of the start of a tensor in memory; the image is called ``image``."""
        if isinstance(self.program.stores[name], Image):
            return "image"
        return self.pointers.setdefault(name, f"p{len(self.pointers)}")

    def scratch_array(self, name: str, element: str, count: int) -> str:
        """The C name of an array that this step uses for itself."""
        self.scratch[name] = (element, count)
        return self.pointers.setdefault(name, f"p{len(self.pointers)}")

    # reading

    def code(self, name: str, at: Place) -> str:
        """Plane bits of an element of a tensor that lies in planes."""
        store = self.program.stores[name]
        assert isinstance(store, PlaneStore)
        return self.variable("uint32_t", store.code_at(at.y, at.x, at.c, self.pointer(name)))

    def read(self, name: str, at: Place) -> str:
        """Variable that holds an element of a tensor."""
        store = self.program.stores[name]
        if isinstance(store, Image):
            return self.variable("int32_t", store.read(at.y, at.x, at.c))
        if isinstance(store, Integers):
            return self.variable(
                value_type(store.kind.lo, store.kind.hi), store.read(at.y, at.x, at.c, self.pointer(name))
            )
        code = self.code(name, at)
        if store.code.plain:
            return self.variable("int32_t", f"(int32_t){code}")
        table = self.tables.add(name, "decode", np.array(store.code.decode()))
        return self.variable("int32_t", f"{table}[{code}]")

    def value(self, name: str, at: Place) -> str:
        """Statements for one value of a tensor; returns the variable that holds it."""
        return self.read(name, at) if not self.program.fused(name) else self.compute(name, at)

    def compute(self, name: str, at: Place) -> str:
        """As `value`, by the layer itself even where its tensor has a place in memory."""
        node = self.program.nodes[name]
        if name in self.pooled:
            array, element = self.pooled[name]
            value = self.variable(element, f"({element}){array}[{at.c}]")
        else:
            value = self._by_type(node)(node, at)
        self.checksum(name, value, at)
        return value

    def checksum(self, name: str, value: str, at: Place) -> None:
        """Add a value to its layer's checksum, once a program: a layer computed twice is summed where it is
        computed first."""
        if self.sums is not None and name not in self.sums:
            self.sums.add(name)
            self.add_to_checksum(name, value, at)

    def add_to_checksum(self, name: str, value: str, at: Place) -> None:
        """The checksum is the sum of value x (2 place + 1) over the tensor, modulo 2^32."""
        if self.sums is None:
            return
        number = [node.name for node in self.program.net.nodes].index(name)
        _, height, width = self.type(name).shape
        place = f"(({at.c}) * {height}u + {at.y}) * {width}u + {at.x}"
        self.channel.append(f"sums[{number}] += (uint32_t){value} * (2u * ({place}) + 1u);")

    def _by_type(self, node: Node) -> Callable[[Any, Place], str]:
        own: dict[type[Node], Callable[..., str]] = {
            Threshold: self._threshold,
            Levels: self._levels,
        }
        return own[type(node)] if type(node) in own else partial(_LAYERS[type(node)], self)

    # element-wise layers

    def per_channel(self, node: Node, word: str, values: np.ndarray, c: str, element: str = "") -> str:
        """A constant of a channel: a literal where all channels have the same."""
        if len(set(values.tolist())) == 1 and not element:
            return literal(int(values[0]))
        return f"{self.tables.add(node.name, word, values, element)}[{c}]"

    def _threshold(self, node: Threshold, at: Place) -> str:
        x, signs = self.type(node.inputs[0]), node.sign.astype(np.int64)
        value = self.value(node.inputs[0], at)
        rows = [
            np.clip(row.astype(object), *((x.lo, x.hi + 1) if sign > 0 else (-x.hi, 1 - x.lo)))
            for row, sign in zip(node.thresholds, signs, strict=True)
        ]
        limits = np.array(rows, dtype=object).astype(np.int64)
        if (signs < 0).any():
            wide = value_type(min(x.lo, -x.hi), max(x.hi, -x.lo))
            sign = self.per_channel(node, "sign", signs, at.c)
            value = self.variable(wide, f"{sign} < 0 ? -({wide}){value} : ({wide}){value}")
        count = limits.shape[1]
        table = self.tables.add(node.name, "limit", limits)
        row = self.fresh()
        self.channel.append(
            f"const {ctype(int(limits.min()), int(limits.max()))} *const {row} = {table} + {at.c} * {count}u;"
        )
        if count <= SCAN:
            terms = " + ".join(f"({value} >= {row}[{j}])" for j in range(count))
            return self.variable("int32_t", terms)
        low, left = self.fresh(), self.fresh()
        self.channel += [
            f"uint32_t {low} = 0, {left} = {count};",
            f"while ({left}) {{",
            f"const uint32_t half = {left} / 2u;",
            f"if ({value} >= {row}[{low} + half]) {{",
            f"{low} += half + 1u;",
            f"{left} -= half + 1u;",
            "} else {",
            f"{left} = half;",
            "}",
            "}",
        ]
        return self.variable("int32_t", f"(int32_t){low}")

    def _levels(self, node: Levels, at: Place) -> str:
        source = node.inputs[0]
        y = self.type(node.name)
        store = self.program.stores.get(source)
        levels = node.levels.astype(np.int64)
        if isinstance(store, PlaneStore):  # by the bits themselves
            top = self.type(source).hi
            table, place = (
                np.array([levels[min(index, top)] for index in store.code.decode()]),
                self.code(source, at),
            )
        else:
            table, place = levels, self.value(source, at)
        return self.variable(value_type(y.lo, y.hi), f"{self.tables.add(node.name, 'level', table)}[{place}]")
