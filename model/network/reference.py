"""The bit-exact numpy reference: runs a network layer by layer as the hardware will, in int64."""

from collections.abc import Callable, Iterator

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.convolution import convolve2d as fermat_convolve2d
from fermatnet.model.network.engine import conv_plan
from fermatnet.model.network.graph import Network
from fermatnet.model.network.nodes import (
    Add,
    Affine,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Levels,
    MaxPool,
    Node,
    PiecewiseConv,
    SumPool,
    TensorType,
    Threshold,
)
from fermatnet.model.network.rules import sum_kernel
from fermatnet.model.piecewise.convolution import convolve2d as piecewise_convolve2d

__all__ = ["activations", "check_images", "run"]


def check_images(net: Network, images: np.ndarray) -> None:
    """InputError unless ``images`` is uint8 (n, C, H, W) of the network's shape and range, n at least 1."""
    if images.dtype != np.uint8:
        raise InputError(f"images must be uint8, not {images.dtype}")
    if images.ndim != 4 or images.shape[1:] != tuple(net.input_shape) or images.shape[0] < 1:
        raise InputError(
            f"images must have shape (n, {', '.join(map(str, net.input_shape))}) with n at least 1, not "
            f"{images.shape}"
        )
    lo, hi = net.input_range
    if images.min() < lo or images.max() > hi:
        raise InputError(f"pixels must lie within {lo}..{hi}, not {images.min()}..{images.max()}")


def _windows(
    x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> np.ndarray:
    """View (n, C, OH, OW, kh, kw) of a padded tensor."""
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def _padded(x: np.ndarray, pad: tuple[int, int, int, int], value: int = 0) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (pad[0], pad[2]), (pad[1], pad[3])), constant_values=value)


def _direct(node: Conv, x: np.ndarray) -> np.ndarray:
    view = _windows(_padded(x, node.pad), node.weight.shape[2:], node.stride, node.dilation)
    groups = []
    for xs, ws in zip(np.split(view, node.group, axis=1), np.split(node.weight, node.group), strict=True):
        groups.append(
            np.tensordot(xs, ws.astype(np.int64), axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
        )
    return np.concatenate(groups, axis=1)


def _conv(net: Network, node: Conv, x: np.ndarray) -> np.ndarray:
    plan = conv_plan(net, node)
    if plan is None:
        return _direct(node, x)
    return fermat_convolve2d(
        x,
        node.weight.astype(np.int64),
        plan,
        stride=node.stride,
        pad=node.pad,
        dilation=node.dilation,
        group=node.group,
    )


def _piecewise(net: Network, node: PiecewiseConv, x: np.ndarray) -> np.ndarray:
    return piecewise_convolve2d(
        x.astype(np.uint8),
        node.codes,
        node.levels_w,
        node.levels_a,
        stride=node.stride,
        pad=node.pad,
        dilation=node.dilation,
        group=node.group,
    )


def _threshold(net: Network, node: Threshold, x: np.ndarray) -> np.ndarray:
    signed = x * node.sign.astype(np.int64)[:, None, None]
    index = np.zeros(x.shape, np.int64)
    for limits in node.thresholds.T:
        index += signed >= limits[:, None, None]
    return index


def _affine(net: Network, node: Affine, x: np.ndarray) -> np.ndarray:
    total = x * node.multiplier[:, None, None] + node.offset[:, None, None]
    return np.clip(total >> node.shift, node.lo, node.hi)


def _maxpool(net: Network, node: MaxPool, x: np.ndarray) -> np.ndarray:
    padded = _padded(x, node.pad, np.iinfo(np.int64).min)
    return _windows(padded, node.kernel, node.stride).max(axis=(4, 5))


def _sumpool(net: Network, node: SumPool, x: np.ndarray) -> np.ndarray:
    kernel = sum_kernel(node, TensorType(x.shape[1:], 0, 0))  # type: ignore[arg-type]
    return _windows(x, kernel, kernel).sum(axis=(4, 5))


def _dense(net: Network, node: Dense, x: np.ndarray) -> np.ndarray:
    y = x.reshape(len(x), -1) @ node.weight.astype(np.int64).T
    return (y + node.bias if node.bias.size else y)[:, :, None, None]


def _argmax(net: Network, node: ArgMax, x: np.ndarray) -> np.ndarray:
    return x.argmax(axis=1, keepdims=True).astype(np.int64)


_KERNELS: dict[type[Node], Callable[..., np.ndarray]] = {
    Conv: _conv,
    PiecewiseConv: _piecewise,
    Threshold: _threshold,
    Affine: _affine,
    MaxPool: _maxpool,
    SumPool: _sumpool,
    Levels: lambda net, node, x: node.levels.astype(np.int64)[x],
    Add: lambda net, node, a, b: a + b,
    Concat: lambda net, node, *xs: np.concatenate(xs, axis=1),
    Dense: _dense,
    ArgMax: _argmax,
}


def activations(net: Network, images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor by name in order, int64 (n, C, H, W), the image first; a tensor is dropped after its last
    reader."""
    check_images(net, images)
    values = {net.input_name: images.astype(np.int64)}
    yield net.input_name, values[net.input_name]
    waiting = {name: len(net.consumers(name)) for name in net.types}
    for node in net.nodes:
        result = _KERNELS[type(node)](net, node, *(values[name] for name in node.inputs))
        for name in node.inputs:
            waiting[name] -= 1
            if not waiting[name]:
                values.pop(name, None)
        values[node.name] = result
        yield node.name, result


def run(
    net: Network, images: np.ndarray, *, batch: int = 64, progress: Callable[[int], None] | None = None
) -> np.ndarray:
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
