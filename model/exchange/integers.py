"""The net behind every import whose source computes in integers: both run, every output equal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.compare import Progress, count_images, images
from fermatnet.model.network import Network, run

__all__ = ["Samples", "compare", "part_of", "results_of", "samples_of"]

Samples = np.ndarray | dict[str, np.ndarray]
Runner = Callable[[Samples], np.ndarray]
_CHUNK = 4  # samples between two signs of progress


def samples_of(network: Network, count: int, seed: int = 0) -> Samples:
    """(count, *dims) of the network's own input type: extremes, boards and constants, then random ones; an
    array a name where it has several inputs."""
    made = {}
    for place, one in enumerate(network.inputs):
        flat = images(one.shape, one.lo, one.hi, count, seed + place, one.dtype)
        made[one.name] = flat.reshape(count, *one.dims)
    return made if len(made) > 1 else made[network.input_name]


def part_of(samples: Samples, part: slice) -> Samples:
    """Some of the samples."""
    if isinstance(samples, np.ndarray):
        return samples[part]
    return {name: values[part] for name, values in samples.items()}


def results_of(network: Network, samples: Samples) -> np.ndarray:
    """int64 (n, K): all outputs of the network, one after the other."""
    made = run(network, samples)
    return np.asarray(made) if isinstance(made, np.ndarray) else np.concatenate(list(made.values()), axis=1)


def compare(
    network: Network,
    path: str | Path,
    source: Runner,
    judge: str,
    *,
    count: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    explained: Callable[[Samples], bool] | None = None,
) -> str:
    """What was compared, in one line. Raises InputError where an output differs.

    Parameters
    ----------
    network : the import.
    source : int64 (n, K) of the source's own executor for samples as `samples_of` makes them; several outputs
        one after the other.
    judge : that executor's name.
    count : of the samples, by default as many as take seconds; 0 compares nothing.
    seed : of the random ones.
    progress : told the share done, 0 to 1, and a word.
    explained : whether the difference in one sample comes from float32 arithmetic of the source;
        such samples are counted instead of refused.
    """
    count = count_images(network) if count is None else count
    if not count:
        return "not compared with the source, as asked"
    samples = samples_of(network, count, seed)
    ours, theirs = [], []
    for start in range(0, count, _CHUNK):
        chunk = part_of(samples, slice(start, start + _CHUNK))
        ours.append(results_of(network, chunk))
        theirs.append(source(chunk))
        if progress:
            progress(min(start + _CHUNK, count) / count, judge)
    got, want = np.concatenate(ours), np.concatenate(theirs)
    if got.shape != want.shape:
        raise InputError(f"{path}: {judge} give {want.shape[1]} outputs a sample, the network {got.shape[1]}")
    wrong = np.argwhere(got != want)
    odd = np.unique(wrong[:, 0])
    if explained and len(odd) and all(explained(part_of(samples, slice(k, k + 1))) for k in odd):
        return (
            f"compared {count} samples with {judge}: equal but for {len(odd)}, in which float32 arithmetic "
            "of the source falls on the other side of a step"
        )
    if len(wrong):
        sample, output = (int(k) for k in wrong[0])
        values = f"{int(got[sample, output])} against {int(want[sample, output])}"
        raise InputError(
            f"{path}: the network differs from {judge} in {len(wrong)} of {got.size} outputs, first in "
            f"output {output} of sample {sample}: {values}: not imported"
        )
    return f"compared {count} samples with {judge}: all {got.size} outputs equal"
