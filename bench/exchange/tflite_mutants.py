"""Mutants of TensorFlow Lite files: refused by name, or equal to LiteRT's reference kernels on the same file.

``python -m fermatnet.bench.exchange.tflite_mutants --count 1000 --seed 0``. A mutant changes one option,
operator, operand, scale, zero point, axis, shape, type or constant of a small residual network.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.exchange.mutants import report
from fermatnet.bench.exchange.tflite_files import Op, Tensor, residual_parts, write
from fermatnet.model.errors import InputError
from fermatnet.model.exchange import integers, tflite

__all__ = ["main", "mutants", "verdict"]

Random = np.random.Generator
Parts = tuple[list[Tensor], list[Op]]
_KINDS = (
    "ADD",
    "MUL",
    "CONV_2D",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "RELU",
    "SOFTMAX",
    "CONCATENATION",
    "TANH",
)
_VALUES = (0, 1, 2, 3, 4, 7, -1)


def _pick(rng: Random, values: Any) -> Any:
    values = list(values)
    return values[int(rng.integers(len(values)))]


def _option(parts: Parts, rng: Random) -> str:
    op = _pick(rng, [op for op in parts[1] if op.options])
    key = _pick(rng, op.options)
    op.options[key] = _pick(rng, _VALUES) if key != "Beta" else 0.5
    return f"{op.kind}: {key} = {op.options[key]}"


def _kind(parts: Parts, rng: Random) -> str:
    op = _pick(rng, parts[1])
    before, op.kind = op.kind, _pick(rng, _KINDS)
    return f"{before} is a {op.kind}"


def _operand(parts: Parts, rng: Random) -> str:
    op = _pick(rng, parts[1])
    place = int(rng.integers(len(op.inputs)))
    op.inputs[place] = int(rng.integers(-1, len(parts[0])))
    return f"{op.kind}: operand {place} is {op.inputs[place]}"


def _scale(parts: Parts, rng: Random) -> str:
    tensor = _pick(rng, [tensor for tensor in parts[0] if tensor.scale is not None])
    how = _pick(rng, ["factor", "zero", "axis", "one", "none", "nan"])
    if how == "factor":
        tensor.scale = np.asarray(tensor.scale) * rng.uniform(0.3, 3)
    elif how == "zero":
        tensor.zero = int(rng.integers(-128, 128))
    elif how == "axis":
        tensor.axis = int(rng.integers(0, 4))
    elif how == "one":
        tensor.scale = np.resize(np.asarray(tensor.scale), int(rng.integers(1, 6)))
    else:
        tensor.scale = None if how == "none" else float("nan")
    return f"{tensor.name}: {how} -> {tensor.scale}, {tensor.zero}, axis {tensor.axis}"


def _shape(parts: Parts, rng: Random) -> str:
    tensor = _pick(rng, parts[0])
    shape = list(tensor.shape)
    place = int(rng.integers(len(shape)))
    shape[place] = int(_pick(rng, [1, 2, 3, 4, 8, 0]))
    tensor.shape = tuple(shape)
    if tensor.data is not None and rng.random() < 0.7:
        tensor.data = np.resize(tensor.data, tensor.shape)
    return f"{tensor.name}: shape {tensor.shape}"


def _data(parts: Parts, rng: Random) -> str:
    tensor = _pick(rng, [tensor for tensor in parts[0] if tensor.data is not None])
    kind = tensor.data.dtype
    ends = np.iinfo(kind)
    value = _pick(rng, [ends.min, ends.max, 0, -128, 5])
    tensor.data = tensor.data.copy()
    tensor.data.ravel()[int(rng.integers(tensor.data.size))] = np.clip(value, ends.min, ends.max)
    return f"{tensor.name}: holds {value}"


def _type(parts: Parts, rng: Random) -> str:
    tensor = _pick(rng, parts[0])
    tensor.dtype = _pick(rng, ["uint8", "int16", "int32", "float32", "int64", "int8"])
    if tensor.data is not None:
        tensor.data = tensor.data.astype(tensor.dtype)
    return f"{tensor.name}: {tensor.dtype}"


_CHANGES: list[tuple[float, Callable[[Parts, Random], str]]] = [
    (0.3, _option),
    (0.08, _kind),
    (0.1, _operand),
    (0.22, _scale),
    (0.1, _shape),
    (0.1, _data),
    (0.1, _type),
]


def mutants(count: int, seed: int) -> Iterator[tuple[str, Parts]]:
    """``count`` files in parts, each with a line that says what was changed."""
    rng = np.random.default_rng(seed)
    chances = [chance for chance, _ in _CHANGES]
    for _ in range(count):
        parts = residual_parts(int(rng.integers(1 << 30)), int(rng.integers(4)))
        yield _CHANGES[int(rng.choice(len(chances), p=chances))][1](parts, rng), parts


def verdict(parts: Parts, folder: Path) -> tuple[str, str]:
    """("refused" or "equal" or "wrong", reason)."""
    path = write(folder / "mutant.tflite", *parts, [0], [17])
    try:
        network = tflite.read(path)
    except InputError as error:
        words = str(error)
        return ("refused", words) if "\n" not in words else ("wrong", f"more than one line: {words}")
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    try:
        said = integers.compare(
            network, path, lambda samples: tflite.outputs(path, network, samples), "LiteRT", count=8
        )
        return "equal", said
    except InputError as error:
        return ("refused" if "LiteRT cannot run it" in str(error) else "wrong"), str(error)


def main(arguments: list[str] | None = None) -> int:
    """The command; its status is 1 where a mutant was translated into another function."""
    return report("TensorFlow Lite", mutants, verdict, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
