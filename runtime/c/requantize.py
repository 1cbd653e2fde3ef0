"""Fixed-point layers: one multiplication, addition and shift, and the form with a second rounding and
corrections."""

from typing import TYPE_CHECKING

import numpy as np

from fermatnet.model.network.nodes import Affine, Node, Requantize
from fermatnet.runtime.c.fixed_point import Split, Straight, affine_form
from fermatnet.runtime.c.place import Place, literal
from fermatnet.runtime.c.storage import value_type

if TYPE_CHECKING:
    from fermatnet.runtime.c.expressions import Expressions

__all__ = ["affine", "requantize"]


def affine(ex: "Expressions", node: Affine, at: Place) -> str:
    """``clip((x m + o) >> shift)``."""
    wide, form = _shifted(ex, node, ex.value(node.inputs[0], at), at)
    return _clipped(ex, node, wide, form.lowest, form.highest)


def requantize(ex: "Expressions", node: Requantize, at: Place) -> str:
    """The same shift, then the second rounding, the zero point, the clip and the corrections."""
    value = ex.value(node.inputs[0], at)
    first, form = _shifted(ex, node, value, at)
    second = node.second.astype(np.int64)
    reach = max(-form.lowest, form.highest, 0)
    half = (1 << int(second.max())) >> 1
    signed = "int32_t" if reach + half + abs(node.zero) < (1 << 31) - 1 else "int64_t"
    digits = ex.per_channel(node, "second", second, at.c)
    rounded = f"fn_rounded{signed[3:5]}(({signed}){first}, {digits})" if half else f"({signed}){first}"
    total = ex.variable(signed, f"{rounded} + {literal(node.zero)}" if node.zero else rounded)
    low, high = form.lowest + node.zero - half, form.highest + node.zero + half  # at the widest
    clipped = _clipped(ex, node, total, low, high)
    return _corrected(ex, node, value, clipped, at) if node.at.shape[1] else clipped


def _corrected(ex: "Expressions", node: Requantize, value: str, clipped: str, at: Place) -> str:
    """What is added where the accumulator is one of a channel's few exceptions."""
    count = node.at.shape[1]
    places, amounts = ex.tables.add(node.name, "at", node.at), ex.tables.add(node.name, "by", node.by)
    y = ex.type(node.name)
    variable, k = ex.fresh(), ex.fresh()
    ex.channel += [
        f"{value_type(y.lo, y.hi)} {variable} = {clipped};",
        f"uint32_t {k};",
        f"for ({k} = 0; {k} < {count}u; ++{k}) {{",
        f"if ({value} == {places}[{at.c} * {count}u + {k}])",
        f"{variable} += {amounts}[{at.c} * {count}u + {k}];",
        "}",
    ]
    return variable


def _shifted(
    ex: "Expressions", node: Affine | Requantize, value: str, at: Place
) -> tuple[str, Straight | Split]:
    """The variable of ``(x m + o) >> shift`` before any clip, and the form that computes it."""
    form = affine_form(ex.type(node.inputs[0]), node.multiplier, node.offset, node.shift)
    multiplier = ex.per_channel(node, "mul", node.multiplier.astype(np.int64), at.c)
    if isinstance(form, Split):
        m = ex.variable("uint32_t", f"(uint32_t)(int32_t){multiplier}")
        raised = ex.variable(
            "uint32_t", f"(uint32_t){value} + {form.lift_x}u" if form.lift_x else f"(uint32_t){value}"
        )
        low, high = (_unsigned(ex, node, "off", values, at.c, 32) for values in (form.low, form.high))
        below = ex.variable(
            "uint32_t", f"((({raised} & {(1 << form.bits) - 1}u) * {m}) + {low}) >> {form.bits}"
        )
        shifted, signed = (
            f"(({raised} >> {form.bits}) * {m} + {below} + {high}) >> {node.shift - form.bits}",
            "int32_t",
        )
    else:
        unsigned, signed = f"uint{form.width}_t", f"int{form.width}_t"
        offset = _unsigned(ex, node, "off", form.offset, at.c, form.width)
        product = f"({unsigned})({signed}){value} * ({unsigned})({signed}){multiplier} + {offset}"
        shifted = f"({product}) >> {node.shift}" if node.shift else product
    # the unsigned number is below 2^31 (2^63) here; what was raised is taken off
    lowered = f" - {literal(form.lift)}" if form.lift else ""
    return ex.variable(signed, f"({signed})({shifted}){lowered}"), form


def _clipped(ex: "Expressions", node: Affine | Requantize, wide: str, lowest: int, highest: int) -> str:
    """``wide``, known to lie within lowest..highest, clipped to the node's own range."""
    y = ex.type(node.name)
    clips = [f"{wide} < {literal(node.lo)} ? {literal(node.lo)} : "] if lowest < node.lo else []
    clips += [f"{wide} > {literal(node.hi)} ? {literal(node.hi)} : "] if highest > node.hi else []
    c_type = value_type(y.lo, y.hi)
    return ex.variable(c_type, f"({c_type})({''.join(clips)}{wide})")


def _unsigned(ex: "Expressions", node: Node, word: str, values: list[int], c: str, width: int) -> str:
    """A constant of a channel as an unsigned number of ``width`` bits, modulo 2^width."""
    if len(set(values)) == 1:
        return f"UINT{width}_C({values[0] % (1 << width)})"
    half = 1 << (width - 1)
    wrapped = np.array([(o + half) % (2 * half) - half for o in values], np.int64)
    return f"(uint{width}_t)(int{width}_t){ex.tables.add(node.name, word, wrapped)}[{c}]"
