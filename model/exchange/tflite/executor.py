"""LiteRT's own answer: its reference kernels, which define the integers of an int8 model (optimised ones
differ)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.integers import Samples
from fermatnet.model.network import Network

__all__ = ["outputs", "run_source", "run_tensors"]


def outputs(path: str | Path, network: Network, samples: Samples) -> np.ndarray:
    """int64 (n, K) of LiteRT for samples as `integers.samples_of` makes them, in the network's order, several
    outputs one after the other.

    Raises InputError where LiteRT is missing or cannot run the file.
    """
    given = {network.input_name: samples} if isinstance(samples, np.ndarray) else samples
    entries = _named(network, "source_input", [one.name for one in network.inputs])
    feeds = {entry: _channels_last(given[name]) for name, entry in entries.items()}
    try:
        made = run_tensors(path, feeds, list(_named(network, "source_output", network.outputs).values()))
    except ModuleNotFoundError as error:
        raise InputError(
            "comparing with LiteRT needs the Python package ai-edge-litert: pip install "
            "'fermatnet[exchange]', or import without comparing"
        ) from error
    except (RuntimeError, ValueError) as error:
        words = (str(error).splitlines() or [""])[0][:200]
        raise InputError(f"{path}: LiteRT cannot run it: {words}") from error
    moved = [np.moveaxis(value, -1, 1) if value.ndim > 2 else value for value in made]
    return np.concatenate([value.reshape(len(value), -1) for value in moved], axis=1)


def _named(network: Network, key: str, names: Sequence[str]) -> dict[str, str]:
    """The file's tensor by the network's, in order."""
    return {name: network.meta[f"{key}.{name}" if place else key] for place, name in enumerate(names)}


def _channels_last(samples: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(samples, 1, -1) if samples.ndim > 2 else samples)


def run_source(path: str | Path, samples: np.ndarray, tensor: str, entry: str | None = None) -> np.ndarray:
    """The tensor called ``tensor`` as int64 (n, ...) for samples (n, ...) of a file with one input, in the
    file's own layout and type; ``entry`` and the rest as `run_tensors`."""
    return run_tensors(path, {entry or "": samples}, [tensor])[0]


def run_tensors(path: str | Path, feeds: Mapping[str, np.ndarray], wanted: Sequence[str]) -> list[np.ndarray]:
    """The tensors ``wanted`` as int64 (n, ...) for samples (n, ...) of each input, in the file's own layout
    and type, one sample after the other.

    ``feeds``: samples of the file's inputs, in its order, by the tensor that they are ("": the input itself).
    Where a QUANTIZE stands between the two, the input is set to the real numbers that the samples stand for.

    Needs ``ai-edge-litert`` (ModuleNotFoundError where it is missing). The reference kernels are the judge:
    LiteRT's optimised kernels round differently in about half of the images.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    details = {one["name"]: one for one in interpreter.get_tensor_details()}
    entries = [name or one["name"] for name, one in zip(feeds, inputs, strict=True)]
    for name in (*wanted, *entries):
        if name not in details:
            raise ValueError(f"it has no tensor {name!r}")
    results: list[list[np.ndarray]] = [[] for _ in wanted]
    for sample in zip(*feeds.values(), strict=True):
        for value, name, given in zip(sample, entries, inputs, strict=True):
            real = given["dtype"] == np.float32 and name != given["name"]
            number = _real(value, details[name]) if real else value
            interpreter.set_tensor(given["index"], number[None].reshape(given["shape"]))
        interpreter.invoke()
        for place, name in enumerate(wanted):
            results[place].append(interpreter.get_tensor(details[name]["index"]).astype(np.int64))
    return [np.concatenate(values) for values in results]


def _real(sample: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """float32 numbers that a quantizer of ``tensor`` makes ``sample`` of."""
    scale, zero = tensor["quantization"]
    return ((sample.astype(np.float64) - zero) * scale).astype(np.float32)
