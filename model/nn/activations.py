"""What becomes of single steps that have no weights: activations that are no rectifiers, arithmetic with
constants, averages. ``c`` is the :class:`fermatnet.model.nn.converter.Converter` at work."""

from typing import Any

from torch import fx, nn

from fermatnet.model.nn.convert_widths import insert_after
from fermatnet.model.nn.curves import Curve, Real
from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.layers import AvgPool2d, Constant, SumPool
from fermatnet.model.nn.operators.rules import pair
from fermatnet.model.nn.twins import Scaled
from fermatnet.model.nn.uniform import UniformActivation

__all__ = ["average", "constant", "curve"]

_CURVE_BITS = 8  # of the integers that a table is of, and of those in it


def curve(c: Any, node: fx.Node, module: nn.Module) -> None:
    """An activation that is no rectifier: pieces of its values, or a table of integers."""
    was, method = type(module).__name__, c.scheme.method
    if hasattr(module, "inplace"):
        module.inplace = False  # type: ignore[assignment]  # what it reads is read again
    if not method.exportable:
        rounding = c.scheme.activation()
        plain = isinstance(rounding, nn.ReLU)
        c.put(node, Real(module) if plain else nn.Sequential(Real(module), rounding), was, "activation")
        c.activations[str(node.target)] = module
    elif c.in_pieces(module):
        pieces: Any = c.scheme.activation()
        pieces.function = module
        c.put(node, pieces, was, "pieces of its values")
        c.activations[str(node.target)] = module
    else:
        bits = (c.scheme.activations or _CURVE_BITS) if method.fixed_point else _CURVE_BITS
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


def average(c: Any, node: fx.Node, module: nn.AvgPool2d) -> None:
    """A sum over windows and its factor in fixed point; exact by itself where a power of two divides."""
    kernel, place = pair(module.kernel_size), c.shapes[node.args[0]][2:]  # type: ignore[index]
    stride, padding = pair(module.stride), pair(module.padding)
    area = kernel[0] * kernel[1]
    divisor = module.divisor_override or area
    disjoint = (
        stride == kernel and not any(padding) and not any(s % k for s, k in zip(place, kernel, strict=True))
    )
    if kernel == place and not any(padding):
        summed: nn.Module = SumPool()
    elif not disjoint:
        summed = SumPool(kernel, stride, padding)
    elif divisor != area or area & (area - 1):
        summed = SumPool(kernel[0] if kernel[0] == kernel[1] else kernel)
    else:
        c.put(node, AvgPool2d(kernel, kernel), type(module).__name__, "exact in evaluation")
        return
    why = f"sum over {kernel[0]}x{kernel[1]}, the factor in fixed point"
    c.put(node, Scaled(summed, c.scheme.rescale(1.0 / divisor)), type(module).__name__, why)
