"""The rival of the packed kernels: an integer network as straightforward C loops, one map a layer, no
packing, no fusion.

Channels last; a convolution is six loops with the bounds tested a row and a column of the window at a time,
weights int8, accumulators int32, then ``clip((x m + o) >> shift)``. It has the interface of the generated C,
so that the same harness runs it."""

from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Add, Affine, Conv, Dense, MaxPool, Node, SumPool
from fermatnet.runtime.c.storage import ctype
from fermatnet.runtime.c.tables import Tables

__all__ = ["write_plain"]


def _conv(net: Network, node: Conv, tables: Tables) -> list[str]:
    channels, height, width = net.types[node.inputs[0]].shape
    outputs, rows, columns = net.types[node.name].shape
    taps = node.weight.shape[2:]
    if node.group != 1 or tuple(node.dilation) != (1, 1):
        raise InputError(
            f"layer {node.name!r}: plain loops are written for ungrouped, undilated convolutions"
        )
    table = tables.add(node.name, "w", node.weight.transpose(0, 2, 3, 1), "int8_t")
    source = _name(net, node.inputs[0])
    place = (
        f"(iy * {width} + ix) * {channels} + c"
        if node.inputs[0] != net.input_name
        else f"(c * {height} + iy) * {width} + ix"
    )
    return [
        f"for (y = 0; y < {rows}; ++y) for (x = 0; x < {columns}; ++x) for (o = 0; o < {outputs}; ++o) {{",
        "int32_t sum = 0;",
        f"for (ky = 0; ky < {taps[0]}; ++ky) {{",
        f"const int iy = y * {node.stride[0]} + ky - {node.pad[0]};",
        f"if (iy < 0 || iy >= {height}) continue;",
        f"for (kx = 0; kx < {taps[1]}; ++kx) {{",
        f"const int ix = x * {node.stride[1]} + kx - {node.pad[1]};",
        f"if (ix < 0 || ix >= {width}) continue;",
        f"for (c = 0; c < {channels}; ++c)",
        f"sum += (int32_t){source}[{place}]",
        f"* {table}[((o * {taps[0]} + ky) * {taps[1]} + kx) * {channels} + c];",
        "}",
        "}",
        f"{_name(net, node.name)}[(y * {columns} + x) * {outputs} + o] = sum;",
        "}",
    ]


def _affine(net: Network, node: Affine, tables: Tables) -> list[str]:
    channels, height, width = net.types[node.name].shape
    m, o = (
        tables.add(node.name, word, values) for word, values in (("m", node.multiplier), ("o", node.offset))
    )
    return [
        f"for (y = 0; y < {height * width}; ++y) for (c = 0; c < {channels}; ++c) {{",
        f"const int64_t product = (int64_t){_name(net, node.inputs[0])}[y * {channels} + c] * {m}[c];",
        f"const int64_t wide = (product + {o}[c]) >> {node.shift};",
        f"{_name(net, node.name)}[y * {channels} + c] =",
        f"wide < {node.lo} ? {node.lo} : wide > {node.hi} ? {node.hi} : wide;",
        "}",
    ]


def _add(net: Network, node: Add, tables: Tables) -> list[str]:
    a, b = (_name(net, name) for name in node.inputs)
    return [
        f"for (y = 0; y < {int(np.prod(net.types[node.name].shape))}; ++y)",
        f"{_name(net, node.name)}[y] = {a}[y] + {b}[y];",
    ]


def _pool(net: Network, node: SumPool | MaxPool, tables: Tables) -> list[str]:
    kind = net.types[node.inputs[0]]
    kernel = node.window(kind) if isinstance(node, SumPool) else node.kernel
    channels, rows, columns = net.types[node.name].shape
    pixel = f"(y * {kernel[0]} + ky) * {kind.shape[2]} + x * {kernel[1]} + kx"
    value = f"{_name(net, node.inputs[0])}[({pixel}) * {channels} + c]"
    join = f"sum += {value};" if isinstance(node, SumPool) else f"if ({value} > sum) sum = {value};"
    return [
        f"for (y = 0; y < {rows}; ++y) for (x = 0; x < {columns}; ++x) for (c = 0; c < {channels}; ++c) {{",
        "int32_t sum = 0;" if isinstance(node, SumPool) else "int32_t sum = INT32_MIN;",
        f"for (ky = 0; ky < {kernel[0]}; ++ky) for (kx = 0; kx < {kernel[1]}; ++kx) {join}",
        f"{_name(net, node.name)}[(y * {columns} + x) * {channels} + c] = sum;",
        "}",
    ]


def _dense(net: Network, node: Dense, tables: Tables) -> list[str]:
    shape = net.types[node.inputs[0]].shape
    size = int(np.prod(shape))
    table = tables.add(node.name, "w", node.weight.reshape(-1, *shape).transpose(0, 2, 3, 1), "int8_t")
    bias = tables.add(node.name, "b", node.bias) + "[o]" if node.bias.size else "0"
    return [
        f"for (o = 0; o < {node.weight.shape[0]}; ++o) {{",
        f"int32_t sum = {bias};",
        f"for (c = 0; c < {size}; ++c)",
        f"sum += (int32_t){_name(net, node.inputs[0])}[c] * {table}[o * {size} + c];",
        f"{_name(net, node.name)}[o] = sum;",
        "}",
    ]


_LOOPS = {Conv: _conv, Affine: _affine, Add: _add, SumPool: _pool, MaxPool: _pool, Dense: _dense}


def _name(net: Network, name: str) -> str:
    if name == net.input_name:
        return "image"
    return "out" if name == net.output else f"t{[node.name for node in net.nodes].index(name)}"


def write_plain(net: Network, folder: Path, name: str = "plain") -> Path:
    """NAME.h and NAME.c in ``folder``. InputError where a layer has no loops here."""
    tables, body, maps = Tables(), [], []
    for node in net.nodes:
        kind: type[Node] = type(node)
        if kind not in _LOOPS:
            raise InputError(f"layer {node.name!r}: no plain loops for a {kind.__name__}")
        body += ["{", *_LOOPS[kind](net, node, tables), "}"]  # type: ignore[operator]
        if node.name != net.output:
            t = net.types[node.name]
            maps.append(f"static {ctype(t.lo, t.hi)} {_name(net, node.name)}[{int(np.prod(t.shape))}];")
    upper, inputs = name.upper(), int(np.prod(net.input_shape))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.h").write_text(
        "\n".join(
            [
                "#include <stdint.h>",
                f"#define {upper}_INPUTS {inputs}",
                f"#define {upper}_OUTPUTS {int(np.prod(net.types[net.output].shape))}",
                f"typedef int32_t {name}_out;",
                f"typedef struct {{ int nothing; }} {name}_ram;",
                f"void {name}_run(const uint8_t *image, {name}_out *out, {name}_ram *ram);",
                "",
            ]
        )
    )
    (folder / f"{name}.c").write_text(
        "\n".join(
            [
                f'#include "{name}.h"',
                tables.text(),
                *maps,
                f"void {name}_run(const uint8_t *image, {name}_out *out, {name}_ram *ram)",
                "{",
                "int y, x, o, c, ky, kx;",
                "(void)ram;",
                *body,
                "}",
                "",
            ]
        )
    )
    return folder / f"{name}.c"
