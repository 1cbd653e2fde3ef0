"""Layers that move values: each reads its input, which lies in memory, at another place."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fermatnet.model.network.nodes import Concat, DepthToSpace, Pad, SelectChannels, Slice, Upsample
from fermatnet.runtime.c.place import Place, literal
from fermatnet.runtime.c.storage import value_type

if TYPE_CHECKING:
    from fermatnet.runtime.c.expressions import Expressions

__all__ = ["concatenation", "depth_to_space", "pad", "select", "slice_", "upsample"]


def _scaled(place: str, factor: int) -> str:
    return f"({place}) * {factor}u" if factor > 1 else f"({place})"


def _where(ex: "Expressions", name: str, otherwise: str, condition: str, read: Callable[[], str]) -> str:
    """The variable that holds what ``read`` gives where the condition holds, else ``otherwise``."""
    kind, variable = ex.type(name), ex.fresh()
    ex.channel += [f"{value_type(kind.lo, kind.hi)} {variable} = {otherwise};", f"if ({condition}) {{"]
    value = read()
    ex.channel += [f"{variable} = {value};", "}"]
    return variable


def pad(ex: "Expressions", node: Pad, at: Place) -> str:
    """The constant around the map."""
    (source,), (top, left, _, _) = node.inputs, node.pad
    _, height, width = ex.type(source).shape
    row, column = ex.variable("uint32_t", f"{at.y} - {top}u"), ex.variable("uint32_t", f"{at.x} - {left}u")
    inside = f"{row} < {height}u && {column} < {width}u"
    return _where(
        ex, node.name, literal(node.value), inside, lambda: ex.read(source, Place(row, column, at.c))
    )


def slice_(ex: "Expressions", node: Slice, at: Place) -> str:
    """Every so many rows and columns from a first one on."""
    row = f"({_scaled(at.y, node.step[0])} + {node.start[0]}u)"
    column = f"({_scaled(at.x, node.step[1])} + {node.start[1]}u)"
    return ex.read(node.inputs[0], Place(row, column, at.c))


def upsample(ex: "Expressions", node: Upsample, at: Place) -> str:
    """The pixel that a block came from, or the value between the pixels."""
    (source,), (rows, columns) = node.inputs, node.factor
    place = Place(f"({at.y} / {rows}u)", f"({at.x} / {columns}u)", at.c)
    if node.mode == "nearest":
        return ex.read(source, place)
    first = f"{at.y} % {rows}u == 0 && {at.x} % {columns}u == 0"
    return _where(ex, node.name, literal(node.value), first, lambda: ex.read(source, place))


def select(ex: "Expressions", node: SelectChannels, at: Place) -> str:
    """Channels by a table."""
    table = ex.tables.add(node.name, "order", node.order.astype(np.int64), "uint32_t")
    return ex.read(node.inputs[0], Place(at.y, at.x, ex.variable("uint32_t", f"{table}[{at.c}]")))


def depth_to_space(ex: "Expressions", node: DepthToSpace, at: Place) -> str:
    """Pixel (i, j) of a block comes from channel ``c b^2 + i b + j``."""
    b = node.block
    channel = f"(({at.c}) * {b * b}u + {at.y} % {b}u * {b}u + {at.x} % {b}u)"
    return ex.read(node.inputs[0], Place(f"({at.y} / {b}u)", f"({at.x} / {b}u)", channel))


def concatenation(ex: "Expressions", node: Concat, at: Place) -> str:
    """Rows or columns of several tensors in turn (channels are joined where they are written)."""
    kind, variable = ex.type(node.name), ex.fresh()
    here = at.y if node.axis == 2 else at.x
    ex.channel.append(f"{value_type(kind.lo, kind.hi)} {variable};")
    first, last = 0, len(node.inputs) - 1
    for number, source in enumerate(node.inputs):
        size = ex.type(source).shape[node.axis - 1]
        test = f"if ({here} < {first + size}u) {{" if number < last else "{"
        ex.channel.append(f"}} else {test}" if number else test)
        moved = f"({here} - {first}u)"
        place = Place(moved, at.x, at.c) if node.axis == 2 else Place(at.y, moved, at.c)
        ex.channel.append(f"{variable} = {ex.read(source, place)};")
        first += size
    ex.channel.append("}")
    return variable
