"""Layers that read windows or whole tensors: convolutions, dense layers, overlapping maxima."""

from typing import TYPE_CHECKING

import numpy as np

from fermatnet.model.network.nodes import Conv, Dense, MaxPool, PiecewiseConv
from fermatnet.model.piecewise.planes import short_planes
from fermatnet.runtime.c.place import Place, literal
from fermatnet.runtime.c.popcount import terms_of
from fermatnet.runtime.c.storage import Image, PlaneStore, value_type

if TYPE_CHECKING:
    from fermatnet.runtime.c.expressions import Expressions

__all__ = ["convolution", "dense", "largest", "piecewise"]


def _corner(place: str, stride: int, pad: int) -> str:
    scaled = f"{place} * {stride}u" if stride > 1 else place
    return f"(int32_t)({scaled}) - {pad}" if pad else f"(int32_t)({scaled})"


def _pack(bits: np.ndarray) -> np.ndarray:
    """0/1 (..., L) -> words (..., ceil(L / 32)), bit k of a run in bit k % 32 of word k // 32."""
    length = -(-bits.shape[-1] // 32) * 32
    padded = np.zeros((*bits.shape[:-1], length), np.int64)
    padded[..., : bits.shape[-1]] = bits
    return (padded.reshape(*bits.shape[:-1], -1, 32) << np.arange(32)).sum(axis=-1)


def _weight_words(node: PiecewiseConv, store: PlaneStore) -> tuple[np.ndarray, tuple[int, ...]]:
    """Words (O, planes, n) in the order of the patch, and the planes' coefficients; planes of the levels that
    are really used."""
    used = sorted({int(code) for code in np.unique(node.codes)} | {len(node.levels_w) // 2})
    planes = short_planes(node.levels_w[used])
    members = np.zeros((len(node.levels_w), max(1, planes.count)), np.int64)
    members[used, : planes.count] = planes.table
    bits = members[node.codes].transpose(0, 4, 2, 3, 1)  # (O, planes, rows, columns, channels)
    if node.group == 1 and not store.flat:
        channels = np.zeros((*bits.shape[:-1], store.units * store.unit), np.int64)
        channels[..., : bits.shape[-1]] = bits
        bits = channels
    coefficients = planes.coefficients or (0,)
    return _pack(bits.reshape(*bits.shape[:2], -1)), coefficients


def piecewise(ex: "Expressions", node: PiecewiseConv, at: Place) -> str:
    """AND and popcount of the patch's planes with the weights' planes; products where the input does not lie
    in planes."""
    source = node.inputs[0]
    store = ex.program.stores[source]
    if not isinstance(store, PlaneStore):
        return _piecewise_products(ex, node, at)
    words, coefficients = _weight_words(node, store)
    n = words.shape[2]
    terms = terms_of(coefficients, ex.program.coefficients[node.name])
    if not terms:
        return ex.variable("int32_t", "0")
    patch = _plane_patch(ex, node, store, n, at)
    kernel = ex.kernels.get(n, terms)
    table = ex.tables.add(node.name, "planes", words, "uint32_t")
    return ex.variable("int32_t", f"{kernel}({patch}, {table} + {at.c} * {words.shape[1] * n}u)")


def _plane_patch(ex: "Expressions", node: PiecewiseConv, store: PlaneStore, n: int, at: Place) -> str:
    """Statements that put a pixel's window into words, where it does not lie there already; the C name of the
    words."""
    source, (rows, columns) = node.inputs[0], node.codes.shape[2:]
    pointer = ex.pointer(source)
    if store.flat:
        return pointer
    _, height, width = store.kind.shape
    if rows == columns == 1 and store.unit == 32 and not any(node.pad) and node.group == 1:
        place = ex.fresh()
        pixel = (
            f"({at.y} * {node.stride[0]}u * {width}u + {at.x} * {node.stride[1]}u) * {store.code.planes * n}u"
        )
        ex.pixel.append(f"const uint32_t *const {place} = {pointer} + {pixel};")
        return place
    patch, window = ex.scratch_array(f"\0patch {node.name}", "uint32_t", store.code.planes * n), ex.fresh()
    values = [
        _corner(at.y, node.stride[0], node.pad[0]),
        _corner(at.x, node.stride[1], node.pad[1]),
        f"{height}, {width}",
        f"{rows}, {columns}, {node.dilation[0]}, {node.dilation[1]}",
        f"{store.code.planes}, {store.units}, {n}",
    ]
    ex.pixel += [
        f"fn_window {window};",
        *_fields(window, "y x height width rows columns dy dx planes units words", values),
    ]
    if node.group == 1:
        ex.pixel.append(f"fn_gather{store.unit}({patch}, {pointer}, {window});")
    else:
        outputs, inputs = node.codes.shape[0] // node.group, node.codes.shape[1]
        first = f"{at.c} / {outputs}u * {inputs}u"
        _at_group(
            ex,
            at.c,
            outputs,
            f"fn_gather_group{store.unit}({patch}, {pointer}, {window}, {first}, {inputs});",
        )
    return patch


def _fields(name: str, fields: str, values: list[str]) -> list[str]:
    parts = ", ".join(values).split(", ")
    return [f"{name}.{field} = {value};" for field, value in zip(fields.split(), parts, strict=True)]


def _at_group(ex: "Expressions", c: str, outputs: int, statement: str) -> None:
    """Run a statement where the channels of a new group begin."""
    ex.channel += [f"if ({c} % {outputs}u == 0)" if outputs > 1 else "", statement]


def convolution(ex: "Expressions", node: Conv, at: Place) -> str:
    """The window as 16-bit integers, then a dot product an output."""
    return _products(ex, node, node.weight, "", at)


def _piecewise_products(ex: "Expressions", node: PiecewiseConv, at: Place) -> str:
    """Levels multiplied as the integers that they are: more memory, fewer operations where there are many
    planes."""
    table = ex.tables.add(node.name, "level", node.levels_a, "int8_t")
    return _products(ex, node, node.levels_w.astype(np.int64)[node.codes], table, at)


def _products(
    ex: "Expressions", node: Conv | PiecewiseConv, weights: np.ndarray, levels: str, at: Place
) -> str:
    """``levels``: the table that turns the gathered indices into integers, '' where they are integers
    already."""
    outputs, inputs, rows, columns = weights.shape
    length = rows * columns * inputs
    patch = _integer_patch(ex, node, weights.shape, levels, at)
    weight = weights.transpose(0, 2, 3, 1).reshape(outputs, length)
    small = "int8_t" if np.abs(weight).max() < 128 else "int16_t"
    kind = ex.type(node.name)
    c_type = value_type(kind.lo, kind.hi)
    if node.group > 1 or c_type == "int64_t" or outputs < 4:
        table = ex.tables.add(node.name, "weight", weight, small)
        kernel = f"fn_dot_i16_{_short(small)}" + ("_wide" if c_type == "int64_t" else "")
        return ex.variable(c_type, f"{kernel}({patch}, {table} + {at.c} * {length}u, {length}, 0)")
    table, four = ex.tables.add(node.name, "weight", _fours(weight), small), ex.fresh()
    ex.pixel.append(f"int32_t {four}[4] = {{0, 0, 0, 0}};")
    block = f"fn_dot4_{_short(small)}({four}, {patch}, {table} + {at.c} * {_up(length)}u, {_up(length)});"
    ex.channel += [f"if ({at.c} % 4u == 0)", block]
    return ex.variable(c_type, f"{four}[{at.c} % 4u]")


def _integer_patch(
    ex: "Expressions", node: Conv | PiecewiseConv, shape: tuple[int, ...], levels: str, at: Place
) -> str:
    """Statements that put a pixel's window (of its group's channels) into 16-bit integers; the C name of the
    array."""
    source = node.inputs[0]
    store = ex.program.stores[source]
    channels, height, width = store.kind.shape
    outputs, inputs, rows, columns = shape
    length = rows * columns * inputs
    image = isinstance(store, Image)
    strides = f"{width}, 1, {height * width}" if image else f"{width * channels}, {channels}, 1"
    patch, area = ex.scratch_array(f"\0patch {node.name}", "int16_t", _up(length)), ex.fresh()
    values = [
        _corner(at.y, node.stride[0], node.pad[0]),
        _corner(at.x, node.stride[1], node.pad[1]),
        f"{height}, {width}",
        f"{rows}, {columns}, {node.dilation[0]}, {node.dilation[1]}",
        strides,
        "0",
        str(inputs),
        str(getattr(node, "pad_value", 0)),
    ]
    ex.pixel += [
        f"fn_area {area};",
        *_fields(
            area,
            "y x height width rows columns dy dx row_stride column_stride channel_stride first count pad",
            values,
        ),
    ]
    assert not isinstance(store, PlaneStore)
    element = store.element
    gather = f"fn_area_{_short(element)}({patch}, {ex.pointer(source)}, {area});"
    gather += f" fn_levels({patch}, {levels}, {length});" if levels else ""
    if node.group == 1:
        ex.pixel.append(gather)
    else:
        per_group = outputs // node.group
        _at_group(ex, at.c, per_group, f"{{ {area}.first = {at.c} / {per_group}u * {inputs}u; {gather} }}")
    return patch


def _up(length: int) -> int:
    """The next multiple of four."""
    return -(-length // 4) * 4


def _fours(weight: np.ndarray) -> np.ndarray:
    """(O, K) -> blocks of four outputs; in a block, for each four inputs, four weights of each output; filled
    up with zeros."""
    outputs, length = weight.shape
    padded = np.zeros((_up(outputs), _up(length)), np.int64)
    padded[:outputs, :length] = weight
    return padded.reshape(-1, 4, _up(length) // 4, 4).transpose(0, 2, 1, 3)


def _short(element: str) -> str:
    """uint8_t -> u8."""
    return element.replace("uint", "u").replace("int", "i").removesuffix("_t")


def dense(ex: "Expressions", node: Dense, at: Place) -> str:
    """Weights in the order of the tensor in memory."""
    source = node.inputs[0]
    store, shape = ex.program.stores[source], ex.type(source).shape
    weight = node.weight.reshape(-1, *shape)
    weight = weight if isinstance(store, Image) else weight.transpose(0, 2, 3, 1)
    small = "int8_t" if np.abs(weight).max() < 128 else "int16_t"
    table = ex.tables.add(node.name, "weight", weight, small)
    assert not isinstance(store, PlaneStore)
    element = store.element
    size = int(np.prod(shape))
    bias = f"{ex.tables.add(node.name, 'bias', node.bias)}[{at.c}]" if node.bias.size else "0"
    kernel = f"fn_dot_{_short(element)}_{_short(small)}"
    return ex.variable(
        "int32_t", f"{kernel}({ex.pointer(source)}, {table} + {at.c} * {size}u, {size}, {bias})"
    )


def largest(ex: "Expressions", node: MaxPool, at: Place) -> str:
    """The maximum over windows that overlap or have padding, which never wins."""
    source = node.inputs[0]
    kind = ex.type(source)
    _, height, width = kind.shape
    element, best, r, s = value_type(kind.lo, kind.hi), ex.fresh(), ex.fresh(), ex.fresh()
    row, column = f"row_{r}", f"column_{s}"
    ex.channel += [
        f"{element} {best} = ({element}){literal(kind.lo)};",
        f"uint32_t {r}, {s};",
        f"for ({r} = 0; {r} < {node.kernel[0]}u; ++{r}) {{",
        f"for ({s} = 0; {s} < {node.kernel[1]}u; ++{s}) {{",
        f"const uint32_t {row} = {at.y} * {node.stride[0]}u + {r} - {node.pad[0]}u;",
        f"const uint32_t {column} = {at.x} * {node.stride[1]}u + {s} - {node.pad[1]}u;",
        f"if ({row} < {height}u && {column} < {width}u) {{",
    ]
    value = ex.read(source, Place(row, column, at.c))
    ex.channel += [f"if ({value} > {best})", f"{best} = {value};", "}", "}", "}"]
    return best
