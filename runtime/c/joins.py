"""Element by element: sums, products, constants and tables of values."""

from typing import TYPE_CHECKING

import numpy as np

from fermatnet.model.network.nodes import Add, AddConstant, LogicJoin, Lookup, Multiply
from fermatnet.runtime.c.place import Place, literal
from fermatnet.runtime.c.storage import value_type

if TYPE_CHECKING:
    from fermatnet.runtime.c.expressions import Expressions

__all__ = ["add", "add_constant", "logic", "lookup", "multiply"]


def add(ex: "Expressions", node: Add, at: Place) -> str:
    """The sum of two tensors, in a type that its range fits."""
    y = ex.type(node.name)
    element = value_type(y.lo, y.hi)
    a, b = (ex.value(name, at) for name in node.inputs)
    return ex.variable(element, f"({element}){a} + ({element}){b}")


def add_constant(ex: "Expressions", node: AddConstant, at: Place) -> str:
    """A constant of every element."""
    y = ex.type(node.name)
    _, height, width = y.shape
    element = value_type(y.lo, y.hi)
    value, table = ex.value(node.inputs[0], at), ex.tables.add(node.name, "value", node.value)
    place = f"(({at.c}) * {height}u + {at.y}) * {width}u + {at.x}"
    wide = "int64_t" if np.abs(node.value.astype(np.int64)).max() >= 1 << 31 else element
    return ex.variable(element, f"({element})(({wide}){value} + ({wide}){table}[{place}])")


def logic(ex: "Expressions", node: LogicJoin, at: Place) -> str:
    """One bit of a truth table, chosen by two bits."""
    a, b = (ex.value(name, at) for name in node.inputs)
    return ex.variable("uint8_t", f"(uint8_t)(({node.table}u >> (2u * (uint32_t){a} + (uint32_t){b})) & 1u)")


def multiply(ex: "Expressions", node: Multiply, at: Place) -> str:
    """The product of two tensors less their zero points; the second may hold one value a channel."""
    whole = ex.type(node.inputs[1]).shape == ex.type(node.inputs[0]).shape
    a = ex.value(node.inputs[0], at)
    b = ex.value(node.inputs[1], at if whole else Place("0u", "0u", at.c))
    y = ex.type(node.name)
    reach = max(
        max(abs(ex.type(name).lo), abs(ex.type(name).hi)) + abs(zero)
        for name, zero in zip(node.inputs, node.zeros, strict=True)
    )
    wide = "int32_t" if reach < 1 << 31 else "int64_t"  # of the factors: their product is proven to fit y
    factors = [
        f"(({wide}){value} - {literal(zero)})" if zero else f"({wide}){value}"
        for value, zero in zip((a, b), node.zeros, strict=True)
    ]
    element = value_type(y.lo, y.hi)
    return ex.variable(element, f"({element})({' * '.join(factors)})")


def lookup(ex: "Expressions", node: Lookup, at: Place) -> str:
    """The table's entries from the least value of the input on."""
    x, y = ex.type(node.inputs[0]), ex.type(node.name)
    value = ex.value(node.inputs[0], at)
    used = node.table.astype(np.int64)[x.lo - node.first : x.hi - node.first + 1]
    place = f"{value} - {literal(x.lo)}" if x.lo else value
    return ex.variable(value_type(y.lo, y.hi), f"{ex.tables.add(node.name, 'table', used)}[{place}]")
