"""Vectors for the generated test program: images, the reference's outputs, and each layer's checksum."""

import re

import numpy as np

from fermatnet.model.network import Network, activations, run
from fermatnet.runtime.c.program import Program

__all__ = ["checksum", "images", "text"]


def images(net: Network, count: int, seed: int = 0) -> np.ndarray:
    """(count, C, H, W) of the input's type: all lowest, all highest, both in turn, then random."""
    lo, hi = net.input_range
    rng = np.random.default_rng(seed)
    samples = rng.integers(lo, hi + 1, (count, *net.input_shape))
    samples[0] = lo
    if count > 1:
        samples[1] = hi
    if count > 2:
        samples[2] = np.where(np.arange(samples[2].size) % 2, hi, lo).reshape(net.input_shape)
    return samples.astype(net.input_dtype)


def checksum(values: np.ndarray, seen: tuple[int, int] | None = None) -> int:
    """Sum of value x (2 place + 1) modulo 2^32 over one image's tensor (C, H, W); over its first ``seen``
    rows and columns."""
    if seen is not None:
        kept = np.zeros_like(values)
        kept[:, : seen[0], : seen[1]] = values[:, : seen[0], : seen[1]]
        values = kept
    flat = values.astype(np.int64).ravel() % (1 << 32)
    weights = 2 * np.arange(flat.size, dtype=np.int64) + 1
    return sum(int(v) * int(w) for v, w in zip(flat, weights, strict=True)) % (1 << 32)


def _rows(values: np.ndarray, suffix: str = "") -> str:
    return ",\n".join(
        "    {" + ", ".join(f"{_number(int(v))}{suffix}" for v in row.ravel()) + "}" for row in values
    )


def _number(value: int) -> str:
    if abs(value) < 1 << 31:
        return str(value)
    return f"(-INT64_C({-value - 1}) - 1)" if value < 0 else f"INT64_C({value})"


def text(program: Program, name: str, count: int, checksums: bool) -> str:
    """NAME_vectors.h."""
    net = program.net
    pictures = images(net, count)
    upper, outputs = name.upper(), run(net, pictures)
    assert isinstance(outputs, np.ndarray)  # one output, or there is no C
    parts = [
        f"/* Vectors of {name}: images and what the reference gives for them. */",
        "#include <stdint.h>",
        f'#include "{name}.h"',
        "",
        f"#define {upper}_VECTORS {count}",
        f"static const {name}_in {name}_images[{count}][{upper}_INPUTS] = {{",
        _rows(pictures),
        "};",
        f"static const {name}_out {name}_outputs[{count}][{upper}_OUTPUTS] = {{",
        _rows(outputs),
        "};",
    ]
    if checksums:
        tensors = dict(activations(net, pictures))
        sums = np.array(
            [
                [checksum(tensors[node.name][n], program.seen(node.name)) for node in net.nodes]
                for n in range(count)
            ],
            np.int64,
        )
        names = ", ".join('"' + re.sub("[^A-Za-z0-9_./ -]", "_", node.name) + '"' for node in net.nodes)
        parts += [f"static const uint32_t {name}_sums[{count}][{upper}_LAYERS] = {{"]
        parts += [",\n".join("    {" + ", ".join(f"{int(v)}u" for v in row) + "}" for row in sums), "};"]
        parts += [f"static const char *const {name}_layers[{upper}_LAYERS] = {{{names}}};"]
    return "\n".join(parts) + "\n"
