"""LiteRT's own answer: its reference kernels, which define the integers of an int8 model (optimised ones
differ)."""

from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network

__all__ = ["outputs", "run_source"]


def outputs(path: str | Path, network: Network, samples: np.ndarray) -> np.ndarray:
    """int64 (n, K) of LiteRT for samples (n, *dims) as ``network`` takes them, in the network's order.

    Raises InputError where LiteRT is missing or cannot run the file.
    """
    try:
        given = np.moveaxis(samples, 1, -1) if samples.ndim > 2 else samples
        made = run_source(path, given, network.meta["source_output"], network.meta["source_input"])
    except ModuleNotFoundError as error:
        raise InputError(
            "comparing with LiteRT needs the Python package ai-edge-litert: pip install "
            "'fermatnet[exchange]', or import without comparing"
        ) from error
    except (RuntimeError, ValueError) as error:
        words = (str(error).splitlines() or [""])[0][:200]
        raise InputError(f"{path}: LiteRT cannot run it: {words}") from error
    return (np.moveaxis(made, -1, 1) if made.ndim > 2 else made).reshape(len(made), -1)


def run_source(path: str | Path, samples: np.ndarray, tensor: str, entry: str | None = None) -> np.ndarray:
    """The tensor called ``tensor`` as int64 (n, ...) for samples (n, ...) in the file's own layout and type,
    one after the other.

    ``entry``: the tensor that the samples are, by default the file's input. Where a QUANTIZE stands between
    the two, the input is set to the real numbers that the samples stand for.

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
    given = interpreter.get_input_details()[0]
    details = {one["name"]: one for one in interpreter.get_tensor_details()}
    if tensor not in details or (entry or given["name"]) not in details:
        raise ValueError(f"it has no tensor {tensor!r}")
    feed = details[entry] if entry and given["dtype"] == np.float32 else None
    results = []
    for sample in samples:
        value = sample if feed is None else _real(sample, feed)
        interpreter.set_tensor(given["index"], value[None].reshape(given["shape"]))
        interpreter.invoke()
        results.append(interpreter.get_tensor(details[tensor]["index"]).astype(np.int64))
    return np.concatenate(results)


def _real(sample: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """float32 numbers that a quantizer of ``tensor`` makes ``sample`` of."""
    scale, zero = tensor["quantization"]
    return ((sample.astype(np.float64) - zero) * scale).astype(np.float32)
