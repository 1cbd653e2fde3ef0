"""The bit-exact numpy reference: runs a network layer by layer as the hardware will, in int64."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.graph import Network

__all__ = ["activations", "check_images", "run"]

Samples = np.ndarray | Mapping[str, np.ndarray]


def check_images(net: Network, images: Samples) -> dict[str, np.ndarray]:
    """Every input by name, int64 (n, C, H, W); InputError unless ``images`` is an array of the network's
    input type, shape and range (n at least 1), or, where several tensors come in, one such array for each
    name."""
    if not isinstance(images, np.ndarray | Mapping):
        raise InputError(
            f"images must be a numpy array of integers, not {type(images).__name__}: give tensors as "
            "x.numpy(), lists as numpy.array(x, numpy.uint8)"
        )
    by_name = {net.input_name: images} if isinstance(images, np.ndarray) else dict(images)
    names = [net_input.name for net_input in net.inputs]
    if sorted(by_name) != sorted(names):
        raise InputError(
            f"the network takes {', '.join(names)}: give one array a name, not {', '.join(by_name) or 'none'}"
        )
    checked = {}
    for net_input in net.inputs:
        try:
            checked[net_input.name] = net_input.checked(by_name[net_input.name])
        except InputError as error:
            raise InputError(
                f"input {net_input.name!r}: {error}" if len(names) > 1 else str(error)
            ) from error
    if len({len(value) for value in checked.values()}) > 1:
        raise InputError("all inputs must hold the same number of samples")
    return checked


def activations(net: Network, images: Samples) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor by name in order, int64 (n, C, H, W), the inputs first; a tensor is dropped after its last
    reader. Raises InputError for images of another shape, type or range."""
    values = check_images(net, images)
    yield from list(values.items())
    waiting = {name: len(net.consumers(name)) for name in net.types}
    for node in net.nodes:
        output = node.compute(net, *(values[name] for name in node.inputs))
        for name in node.inputs:
            waiting[name] -= 1
            if not waiting[name]:
                values.pop(name, None)
        values[node.name] = output
        yield node.name, output


def _chunk(images: Samples, start: int, batch: int) -> Samples:
    part = slice(start, start + batch)
    return (
        images[part]
        if isinstance(images, np.ndarray)
        else {name: value[part] for name, value in images.items()}
    )


def run(
    net: Network, images: Samples, *, batch: int = 64, progress: Callable[[int], None] | None = None
) -> Any:
    """Exact outputs int64 (n, K) of the bit-exact reference; K counts C*H*W of the output tensor.

    Parameters
    ----------
    net : of `load`, or of an export or import
    images : (n, *dims) of the network's input type; one array a name where several come in
    batch : images at a time, bounds the memory
    progress : called with the number of images done

    Where several tensors leave, the result is one array a name, in the network's order. Raises InputError for
    images of another type, shape or range.
    """
    count = len(next(iter(check_images(net, images).values())))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in net.outputs}
    for start in range(0, count, batch):
        chunk = _chunk(images, start, batch)
        size = min(batch, count - start)
        for name, value in activations(net, chunk):
            if name in parts:
                parts[name].append(value.reshape(size, -1))
        if progress:
            progress(start + size)
    results = {name: np.concatenate(values) for name, values in parts.items()}
    return results if len(results) > 1 else results[net.output]
