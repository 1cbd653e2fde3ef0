"""What becomes of single steps that have no weights: activations that are no rectifiers, arithmetic with
constants. ``c`` is the :class:`fermatnet.model.nn.converter.Converter` at work."""

from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.nn.convert_widths import insert_after, new_step
from fermatnet.model.nn.curves import Curve, Real
from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale, Slopes
from fermatnet.model.nn.layers import Constant
from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["constant", "curve"]

_CURVE_BITS = 8  # of the integers that a table is of, and of those in it


def curve(c: Any, node: fx.Node, module: nn.Module) -> None:
    """An activation that is no rectifier: pieces of its values, or a table of integers."""
    was, method, how = type(module).__name__, c.scheme.method, c.at(node)
    if hasattr(module, "inplace"):
        module.inplace = False  # type: ignore[assignment]  # what it reads is read again
    if not method.exportable:
        rounding = how.activation()
        plain = isinstance(rounding, nn.ReLU)
        c.put(node, Real(module) if plain else nn.Sequential(Real(module), rounding), was, "activation")
        c.activations[str(node.target)] = module
    elif c.in_pieces(node):
        pieces: Any = how.activation()
        pieces.function = module
        c.put(node, pieces, was, "pieces of its values")
        c.activations[str(node.target)] = module
    elif isinstance(module, nn.PReLU) and module.num_parameters > 1:
        _slopes(c, node, module)
    else:
        bits = (how.activations or _CURVE_BITS) if how.method.fixed_point else _CURVE_BITS
        made = Curve(module, _rounded(c, node), bits)
        c.put(node, made, was, f"a table of {_CURVE_BITS}-bit integers")


def _rounded(c: Any, node: fx.Node) -> nn.Module:
    """The layer that gives a table's inputs as integers of few bits: the one before, or a new one."""
    (source,) = node.all_input_nodes
    layer = c.layer(source)
    if isinstance(layer, FixedNorm | FixedBias | Rescale) and layer.bits <= _CURVE_BITS:
        return layer
    rounding = UniformActivation(_CURVE_BITS)
    step = insert_after(c.graph, c.root, source, rounding, [node])
    c.replaced.add(str(step.target))
    c.shapes[step] = c.shapes[source]
    c.changes.note(str(step.target), "", "UniformActivation", "integers for the table after it")
    return rounding


def _slopes(c: Any, node: fx.Node, module: nn.PReLU) -> None:
    """relu(x) - a relu(-x) with a slope a channel: a table would be one a channel."""
    _rounded(c, node)
    (source,) = node.all_input_nodes
    was, name = str(node.target), node.name
    with c.graph.inserting_before(node):
        positive = new_step(c, f"{name}_positive", nn.ReLU(), source)
        negative = c.graph.call_function(torch.sub, (positive, source))
        scaled = new_step(c, f"{name}_slopes", Slopes(module.weight, bits=_CURVE_BITS), negative)
    for step in (positive, negative, scaled):
        c.shapes[step] = c.shapes[source]
    node.op, node.target, node.args, node.kwargs = "call_function", torch.add, (positive, scaled), {}
    why = f"relu(x) - a relu(-x), {module.num_parameters} slopes in fixed point"
    c.changes.note(was, type(module).__name__, "Slopes", why)


def constant(c: Any, node: fx.Node, module: Constant) -> None:
    """gain x + offset, both constants."""
    narrow = c.curved(node, pieces=False) or any(
        isinstance(c.layer(user), nn.Conv2d | nn.Linear) for user in node.users
    )
    made = FixedBias(
        len(module.offset), bits=8 if narrow else 10, full_precision=not c.scheme.method.exportable
    )
    made.gain.copy_(module.gain)
    made.bias.data.copy_(module.offset)
    made.bias.requires_grad_(False)
    c.put(node, made, "arithmetic", "with constants: fixed point")
