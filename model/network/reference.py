"""The bit-exact numpy reference: runs a network layer by layer as the hardware will, in int64."""

from collections.abc import Callable, Iterator

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.graph import Network

__all__ = ["activations", "check_images", "run"]


def check_images(net: Network, images: np.ndarray) -> None:
    """InputError unless ``images`` is uint8 (n, C, H, W) of the network's shape and range, n at least 1."""
    if images.dtype != np.uint8:
        raise InputError(f"images must be uint8, not {images.dtype}")
    if images.ndim != 4 or images.shape[1:] != tuple(net.input_shape) or images.shape[0] < 1:
        raise InputError(f"images must have shape (n, {', '.join(map(str, net.input_shape))}) with n at least 1, not {images.shape}")
    lo, hi = net.input_range
    if images.min() < lo or images.max() > hi:
        raise InputError(f"pixels must lie within {lo}..{hi}, not {images.min()}..{images.max()}")


def activations(net: Network, images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor by name in order, int64 (n, C, H, W), the image first; a tensor is dropped after its last reader."""
    check_images(net, images)
    values = {net.input_name: images.astype(np.int64)}
    yield net.input_name, values[net.input_name]
    waiting = {name: len(net.consumers(name)) for name in net.types}
    for node in net.nodes:
        result = node.compute(net, *(values[name] for name in node.inputs))
        for name in node.inputs:
            waiting[name] -= 1
            if not waiting[name]:
                values.pop(name, None)
        values[node.name] = result
        yield node.name, result


def run(net: Network, images: np.ndarray, *, batch: int = 64, progress: Callable[[int], None] | None = None) -> np.ndarray:
    """Exact outputs int64 (n, K) of images uint8 (n, C, H, W); K counts C*H*W of the output tensor.

    Memory is bounded by ``batch``; ``progress`` is called with the number of images done.
    """
    check_images(net, images)
    parts = []
    for start in range(0, len(images), batch):
        chunk = images[start : start + batch]
        wanted = next(value for name, value in activations(net, chunk) if name == net.output)
        parts.append(wanted.reshape(len(chunk), -1))
        if progress:
            progress(start + len(chunk))
    return np.concatenate(parts)
