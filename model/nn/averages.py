"""What an average over windows becomes: a sum and its factor in fixed point. ``c`` is the
:class:`fermatnet.model.nn.converter.Converter` at work.

Windows at the border may count less: those without count_include_pad, and the last ones of ceil_mode. Sums
are then cut into bands of windows that count alike, each band gets its own factor, and they are put together
again, columns first.
"""

from typing import Any

import torch
from torch import fx, nn

from fermatnet.model.exchange.borders import Bands, bands, beyond
from fermatnet.model.nn.convert_widths import new_step
from fermatnet.model.nn.layers import AvgPool2d, SumPool
from fermatnet.model.nn.moves import Gather
from fermatnet.model.nn.operators.rules import pair
from fermatnet.model.nn.twins import Scaled

__all__ = ["average"]


def average(c: Any, node: fx.Node, module: nn.AvgPool2d) -> None:
    """A sum over windows and its factor; exact by itself where a power of two divides disjoint windows."""
    kernel, stride, padding = (pair(x) for x in (module.kernel_size, module.stride, module.padding))
    place = c.shapes[node.args[0]][2:]  # type: ignore[index]
    windows = list(zip(place, kernel, stride, padding, strict=True))
    more = [beyond(*window) if module.ceil_mode else 0 for window in windows]
    area = kernel[0] * kernel[1]
    divisor = module.divisor_override or area
    counted = [
        _counted(*window, extra, module.count_include_pad)
        for window, extra in zip(windows, more, strict=True)
    ]
    if module.divisor_override is None and not all(axis.even for axis in counted):
        _banded(c, node, _sum(c, node, kernel, stride, padding, more), counted)
        return
    disjoint = (
        stride == kernel and not any(padding) and not any(s % k for s, k in zip(place, kernel, strict=True))
    )
    if kernel == place and not any(padding):
        summed: nn.Module = SumPool()
    elif not disjoint:
        summed = _sum(c, node, kernel, stride, padding, more)
    elif divisor != area or area & (area - 1):
        summed = SumPool(kernel[0] if kernel[0] == kernel[1] else kernel)
    else:
        c.put(node, AvgPool2d(kernel, kernel), type(module).__name__, "exact in evaluation")
        return
    if module.divisor_override is None:  # all windows count the same, and may count less than they hold
        divisor = counted[0].runs[0][2] * counted[1].runs[0][2]
    why = f"sum over {kernel[0]}x{kernel[1]}, the factor in fixed point"
    c.put(node, Scaled(summed, c.scheme.rescale(1.0 / divisor)), type(module).__name__, why)


def _counted(side: int, kernel: int, stride: int, padding: int, more: int, padded: bool) -> Bands:
    """Pixels that each window of an axis is divided by; torch counts no pixel beyond the padded map."""
    if padded:
        return bands(side + 2 * padding, kernel, stride, 0, more)
    return bands(side, kernel, stride, padding, padding + more)


def _sum(
    c: Any,
    node: fx.Node,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    more: list[int],
) -> nn.Module:
    """The sum over padded windows; where the last ones reach further, zeros come before it as a step."""
    if not any(more):
        return SumPool(kernel, stride, padding)
    source: Any = node.args[0]
    shape = c.shapes[source]
    around = [
        [-1] * pad + list(range(side)) + [-1] * (pad + extra)
        for side, pad, extra in zip(shape[2:], padding, more, strict=True)
    ]
    zeros = Gather(None, *around)
    with c.graph.inserting_before(node):
        step = new_step(c, f"{node.name}_zeros", zeros, source)
    c.shapes[step] = (*shape[:2], *map(len, around))
    node.args = (step,)
    return SumPool(kernel, stride)


def _banded(c: Any, node: fx.Node, summed: nn.Module, counted: list[Bands]) -> None:
    """The sum, its bands with their factors, and the map that they make; whoever reads the average reads the
    map."""
    rows, columns = counted
    readers = list(node.users)
    was = "AvgPool2d"
    c.put(node, summed, was, f"a sum; {len(rows.runs)}x{len(columns.runs)} bands that count alike")
    shape = c.shapes[node]
    after, lines = node, []
    for i, (top, bottom, high) in enumerate(rows.runs):
        line = []
        for j, (left, right, wide) in enumerate(columns.runs):
            band = Gather(None, _places(rows, top, bottom), _places(columns, left, right))
            with c.graph.inserting_after(after):
                part = new_step(c, f"{node.name}_band{i}{j}", band, node)
            with c.graph.inserting_after(part):
                after = new_step(c, f"{node.name}_mean{i}{j}", c.scheme.rescale(1.0 / (high * wide)), part)
            c.shapes[part] = c.shapes[after] = (*shape[:2], bottom - top, right - left)
            line.append(after)
        after = _joined(c, line, 3)
        lines.append(after)
    made = _joined(c, lines, 2)
    node.replace_all_uses_with(made, delete_user_cb=lambda user: user in readers)


def _places(axis: Bands, first: int, last: int) -> list[int] | None:
    return None if axis.even else list(range(first, last))


def _joined(c: Any, parts: list[fx.Node], axis: int) -> fx.Node:
    """Parts one after the other along ``axis``; a single one as it is."""
    if len(parts) == 1:
        return parts[0]
    with c.graph.inserting_after(parts[-1]):
        made = c.graph.call_function(torch.cat, (parts, axis))
    shapes = [c.shapes[part] for part in parts]
    whole = list(shapes[0])
    whole[axis] = sum(shape[axis] for shape in shapes)
    c.shapes[made] = tuple(whole)
    return made
