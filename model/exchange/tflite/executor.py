"""LiteRT's own answer: its reference kernels, which define the integers of an int8 model (optimised ones
differ)."""

from pathlib import Path

import numpy as np

__all__ = ["run_source"]


def run_source(path: str | Path, samples: np.ndarray, tensor: str) -> np.ndarray:
    """The tensor called ``tensor`` as int64 (n, ...) for samples (n, ...) in the file's own layout and type,
    one after the other.

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
    entry = interpreter.get_input_details()[0]
    place = next(one["index"] for one in interpreter.get_tensor_details() if one["name"] == tensor)
    results = []
    for sample in samples:
        interpreter.set_tensor(entry["index"], sample[None].reshape(entry["shape"]))
        interpreter.invoke()
        results.append(interpreter.get_tensor(place).astype(np.int64))
    return np.concatenate(results)
