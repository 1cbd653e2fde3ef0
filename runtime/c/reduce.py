"""Places of the largest values, and sums over windows that overlap or reach over the border."""

from typing import TYPE_CHECKING

from fermatnet.model.network.nodes import ArgMax, SumPool, TopK
from fermatnet.runtime.c.place import Place, literal
from fermatnet.runtime.c.storage import value_type

if TYPE_CHECKING:
    from fermatnet.runtime.c.expressions import Expressions

__all__ = ["argmax", "top", "window_sum"]


def argmax(ex: "Expressions", node: ArgMax, at: Place) -> str:
    """The first of the largest values."""
    source = node.inputs[0]
    kind = ex.type(source)
    best, k, top_value = ex.fresh(), ex.fresh(), ex.fresh()
    ex.channel += [
        f"int32_t {best} = 0;",
        f"{value_type(kind.lo, kind.hi)} {top_value} = 0;",
        f"uint32_t {k};",
        f"for ({k} = 0; {k} < {kind.shape[0]}u; ++{k}) {{",
    ]
    value = ex.read(source, Place("0u", "0u", k))
    ex.channel += [
        f"if ({k} == 0 || {value} > {top_value}) {{",
        f"{top_value} = {value};",
        f"{best} = (int32_t){k};",
        "}",
        "}",
    ]
    return best


def top(ex: "Expressions", node: TopK, at: Place) -> str:
    """The place before which exactly ``c`` others come: larger values, and equal ones of a lower place."""
    source = node.inputs[0]
    kind = ex.type(source)
    element = value_type(kind.lo, kind.hi)
    place, k, other, before, here = (ex.fresh() for _ in range(5))
    loop = f"{kind.shape[0]}u"
    ex.channel += [
        f"int32_t {place} = 0;",
        f"uint32_t {k}, {other};",
        f"for ({k} = 0; {k} < {loop}; ++{k}) {{",
        f"uint32_t {before} = 0;",
        f"{element} {here};",
    ]
    value = ex.read(source, Place("0u", "0u", k))
    ex.channel += [f"{here} = {value};", f"for ({other} = 0; {other} < {loop}; ++{other}) {{"]
    rival = ex.read(source, Place("0u", "0u", other))
    ex.channel += [
        f"{before} += {rival} > {here} || ({rival} == {here} && {other} < {k});",
        "}",
        f"if ({before} == {at.c})",
        f"{place} = (int32_t){k};",
        "}",
    ]
    return place


def window_sum(ex: "Expressions", node: SumPool, at: Place) -> str:
    """The sum over a window; pixels beyond the border count as the padding value."""
    source = node.inputs[0]
    kind, y = ex.type(source), ex.type(node.name)
    _, height, width = kind.shape
    (rows, columns), stride = node.window(kind), node.stride or node.window(kind)
    total, r, s = ex.fresh(), ex.fresh(), ex.fresh()
    row, column = f"row_{r}", f"column_{s}"
    ex.channel += [
        f"{value_type(y.lo, y.hi)} {total} = 0;",
        f"uint32_t {r}, {s};",
        f"for ({r} = 0; {r} < {rows}u; ++{r}) {{",
        f"for ({s} = 0; {s} < {columns}u; ++{s}) {{",
        f"const uint32_t {row} = {at.y} * {stride[0]}u + {r} - {node.pad[0]}u;",
        f"const uint32_t {column} = {at.x} * {stride[1]}u + {s} - {node.pad[1]}u;",
        f"if ({row} < {height}u && {column} < {width}u) {{",
    ]
    value = ex.read(source, Place(row, column, at.c))
    ex.channel += [f"{total} += {value};", "} else {", f"{total} += {literal(node.pad_value)};", "}"]
    ex.channel += ["}", "}"]
    return total
