"""The net behind every import: the network against the file's own executor, integer for integer."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.executor import Executor
from fermatnet.model.exchange.source_file import Source
from fermatnet.model.network import Network, run
from fermatnet.model.network.summary import summary

__all__ = ["Progress", "compare", "count_images", "images"]

_WORK = 400_000_000  # multiply-accumulates that the comparison may take, about seconds
_MOMENT = 100_000_000  # multiply-accumulates from which progress is told
_LEAST, _MOST = 4, 24  # images
_SINGLE = 1e-4  # relative error of a sum in float32 that is no other number
_NEAR = 1e-3  # how near a whole number the source's outputs must be, in the network's unit


Progress = Callable[[float, str], None]


class _Output(Protocol):
    @property
    def scale(self) -> float: ...

    @property
    def remainder(self) -> np.ndarray: ...


def images(
    shape: tuple[int, ...], lo: int, hi: int, count: int, seed: int = 0, dtype: str = "uint8"
) -> np.ndarray:
    """(count, C, H, W) of ``dtype``: all smallest, all largest, both checkerboards, random extremes, a
    constant, then random ones."""
    rng = np.random.default_rng(seed)
    board = np.indices(shape).sum(axis=0) % 2 == 0
    made = [
        np.full(shape, lo),
        np.full(shape, hi),
        np.where(board, lo, hi),
        np.where(board, hi, lo),
        np.where(rng.integers(0, 2, shape) == 1, hi, lo),
        np.full(shape, (lo + hi + 1) // 2),
    ]
    while len(made) < count:
        made.append(rng.integers(lo, hi + 1, shape))
    return np.stack(made[:count]).astype(dtype)


def count_images(network: Network) -> int:
    """Images to compare: by the network's cost, not by the clock, so that the same file is judged alike
    everywhere."""
    work = max(summary(network)["macs"], 1)
    return int(np.clip(_WORK // work, _LEAST, _MOST))


def compare(
    network: Network,
    tensor: str,
    output: _Output,
    source: Source,
    scale: float,
    offset: float,
    count: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> str:
    """What was compared, in one line. Raises InputError where an output differs.

    Parameters
    ----------
    network : the import.
    tensor : what the network gives, of the graph of ``source``.
    output : real = scale * (integer + remainder), so that the source's integer is known to the last bit.
    scale, offset : the source's input = scale * pixel + offset.
    count : of the images, by default as many as take seconds; ``seed`` of the random ones.
    progress : told the share done, 0 to 1, where it takes longer than a moment.
    """
    (lo, hi), many = network.input_range, count or count_images(network)
    pixels = images(network.inputs[0].shape, lo, hi, many, seed, network.input_dtype)
    work = summary(network)["macs"] * len(pixels)
    tell = progress if progress and work > _MOMENT else None
    ours = run(
        network,
        pixels,
        batch=1 if tell else 64,
        progress=(lambda done: tell(0.6 * done / len(pixels), "the network")) if tell else None,
    )
    x = pixels * float(scale) + offset
    exact = _integers(Executor(source.model, tensor), source, x, output, ours, tell)
    nearest = np.round(exact)
    wrong = (nearest != ours) | ~(np.abs(exact - nearest) <= _NEAR)
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            f"{source.path}: the network differs from the file's own executor in {int(wrong.sum())} of "
            f"{wrong.size} outputs, "
            f"first in output {place[1]} of image {place[0]}: {int(ours[place])} against "
            f"{exact[place]:.6g}: not imported"
        )
    single = _in_single(source, tensor, x, output, ours) if work <= _WORK else ""
    return f"compared {len(pixels)} images with the source: all {ours.size} outputs equal{single}"


def _in_single(source: Source, tensor: str, x: np.ndarray, output: _Output, ours: np.ndarray) -> str:
    """In how many outputs the file's float32 arithmetic gives another number than exact arithmetic; "" for
    none."""
    try:
        single = _integers(Executor(source.model, tensor, np.float32), source, x, output, ours)
    except InputError:  # a file of float64, say
        return ""
    others = int((np.abs(single - ours) > np.maximum(0.5, _SINGLE * np.abs(ours))).sum())
    return (
        f"; float32 arithmetic gives another number in {others}, where a sum lies on a quantizer's step or "
        "very near"
        if others
        else ""
    )


def _integers(
    executor: Executor,
    source: Source,
    x: np.ndarray,
    output: _Output,
    ours: np.ndarray,
    tell: Progress | None = None,
) -> np.ndarray:
    """What the executor gives, in the network's unit; InputError where it is another number of outputs."""
    theirs = _source_outputs(executor, source, x, tell)
    if theirs.shape != ours.shape:
        raise InputError(
            f"{source.path}: its own executor gives {theirs.shape[1]} outputs, the network {ours.shape[1]}"
        )
    return theirs / output.scale - _spread(output.remainder, ours.shape[1])


def _spread(remainder: np.ndarray, outputs: int) -> np.ndarray:
    """(outputs,) of one number a channel."""
    return np.repeat(remainder, outputs // len(remainder))


def _source_outputs(executor: Executor, source: Source, x: np.ndarray, tell: Progress | None) -> np.ndarray:
    """(n, K) of the file's executor, in batches of the size that the file fixes, one by one where it fixes
    none."""
    rank, batch = len(source.dims), max(source.dims[0], 1) if source.dims else 1
    parts = []
    for start in range(0, len(x), batch):
        chunk = x[start : start + batch]
        full = np.concatenate([chunk, np.repeat(chunk[-1:], batch - len(chunk), axis=0)])
        result = executor(full.reshape(batch, -1) if rank == 2 else full)
        parts.append(result.reshape(batch, -1)[: len(chunk)])
        if tell:
            tell(0.6 + 0.4 * (start + len(chunk)) / len(x), "the source")
    return np.concatenate(parts)
