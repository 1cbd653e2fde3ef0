"""An import of a quantized ONNX file beside onnxruntime on that file."""

from collections.abc import Callable

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange import integers
from fermatnet.model.exchange.compare import Progress
from fermatnet.model.exchange.integers import Samples
from fermatnet.model.exchange.onnx_quantized.executor import Judge, saturates
from fermatnet.model.exchange.onnx_quantized.outputs import Ending
from fermatnet.model.exchange.onnx_quantized.reader import Reading
from fermatnet.model.network.reference import activations

__all__ = ["compared", "outputs"]

_FEW = 0.01  # share of a tensor that may fall on the other side of a step
_NEAR = 1e-2  # how near a whole number float32 sums must be, in the network's unit


def compared(reading: Reading, count: int | None = None, progress: Progress | None = None) -> str:
    """What was compared with onnxruntime, in one line; parameters and errors as `integers.compare`.

    A sample may differ only where a group that onnxruntime computes in float32 falls on the other side of a
    step: then all quantized tensors before that group must be equal, and in it the difference is 1 in few
    places. Such samples are counted.
    """
    if count == 0:
        return "not compared with the source, as asked"
    if saturates():
        raise InputError(
            f"{reading.source.path}: onnxruntime cannot judge it on this processor, whose integer kernels "
            "saturate (no VNNI): import on another one, or without comparing"
        )
    source = _source(reading)
    explained = _explained(reading) if reading.floats else None
    return integers.compare(
        reading.network,
        reading.source.path,
        source,
        "onnxruntime",
        count=count,
        progress=progress,
        explained=explained,
    )


def outputs(reading: Reading, samples: Samples) -> np.ndarray:
    """int64 (n, K) of onnxruntime for samples as `integers.samples_of` makes them, in the network's order,
    several outputs one after the other. Raises InputError where onnxruntime is missing or cannot run the
    file."""
    return _source(reading)(samples)


def _source(reading: Reading) -> Callable[[Samples], np.ndarray]:
    judge = _judge(reading, tuple(end.name for end in reading.ends))

    def source(samples: Samples) -> np.ndarray:
        parts = []
        for made, end in zip(judge(_by_entry(reading, samples)), reading.ends, strict=True):
            flat = made.reshape(len(made), -1)
            parts.append(flat.astype(np.int64) if end.unit is None else _whole(flat, end))
        return np.concatenate(parts, axis=1)

    return source


def _by_entry(reading: Reading, samples: Samples) -> dict[str, np.ndarray]:
    if isinstance(samples, np.ndarray):
        samples = {reading.network.input_name: samples}
    return {reading.entries[name]: values for name, values in samples.items()}


def _judge(reading: Reading, wanted: tuple[str, ...]) -> Judge:
    entries = {reading.entries[one.name]: (one.dims, one.dtype) for one in reading.network.inputs}
    return Judge(reading.source.model, entries, wanted, max(reading.source.dims[0], 1))


def _whole(made: np.ndarray, end: Ending) -> np.ndarray:
    """Real sums in the network's unit; the lowest number where they are not whole, so that they differ."""
    assert end.unit is not None
    spread = end.remainder.reshape(-1)
    if len(spread) > 1:
        spread = np.repeat(spread, made.shape[1] // len(spread))
    exact = made.astype(np.float64) / end.unit - spread
    near = np.abs(exact - np.rint(exact)) <= np.maximum(_NEAR, 1e-5 * np.abs(exact))
    return np.where(near, np.rint(exact), np.iinfo(np.int32).min).astype(np.int64)


def _explained(reading: Reading) -> Callable[[Samples], bool]:
    """Whether a sample's difference begins in float32 arithmetic: by 1, in few places.

    All quantized tensors are asked for, which leaves onnxruntime other groups to fuse: where that makes the
    outputs equal, the difference was in its choice of kernels.
    """
    order = {node.name: place for place, node in enumerate(reading.network.nodes)}
    own = {name: made for name, made in reading.tensors.items() if made in order}
    names = sorted(own, key=lambda name: order[own[name]])
    judge = _judge(reading, tuple(names))

    def explained(sample: Samples) -> bool:
        ours = {name: value for name, value in activations(reading.network, sample) if name in own.values()}
        for name, theirs in zip(names, judge(_by_entry(reading, sample)), strict=True):
            difference = np.abs(ours[own[name]].reshape(-1) - theirs.reshape(-1).astype(np.int64))
            if difference.any():
                few = max(2, difference.size * (1 if name in reading.means else _FEW))
                return name in reading.floats and difference.max() == 1 and difference.sum() <= few
        return True

    return explained
