"""Drawn weights whose outputs differ from image to image: thresholds and scales set on images."""

from dataclasses import replace
from typing import Any

import numpy as np

from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Affine, Threshold

__all__ = ["calibrated"]

SHIFT = 16  # of scales
DEVIATIONS = 2.5  # that a range of outputs holds on each side of the mean


def calibrated(net: Network, images: np.ndarray) -> Network:
    """``net`` with the thresholds and the fixed-point scales that its own tensors ask for, layer by layer.

    Thresholds of a channel stand at equal shares of its values; a scale brings `DEVIATIONS` standard
    deviations about a channel's mean to the ends of its range. ``images``: uint8 (n, C, H, W), drawn or real,
    as the network is going to see them.
    """
    values: dict[str, np.ndarray] = {net.inputs[0].name: images.astype(np.int64)}
    nodes: list[Any] = []
    for node in net.nodes:
        inputs = [values[name] for name in node.inputs]
        if isinstance(node, Threshold):
            node = _threshold(node, inputs[0])
        elif isinstance(node, Affine):
            node = _affine(node, inputs[0])
        nodes.append(node)
        values[node.name] = node.compute(net, *inputs)
    return replace(net, nodes=nodes)


def _by_channel(x: np.ndarray) -> np.ndarray:
    """(C, values) of (n, C, H, W)."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def _threshold(node: Threshold, x: np.ndarray) -> Threshold:
    count = node.thresholds.shape[1]
    shares = np.arange(1, count + 1) / (count + 1)
    signed = _by_channel(x) * node.sign.astype(np.int64)[:, None]
    return replace(node, thresholds=np.quantile(signed, shares, axis=1).T.round().astype(np.int64))


def _affine(node: Affine, x: np.ndarray) -> Affine:
    channels = _by_channel(x)
    half = (node.hi - node.lo) / 2
    slope = half / (DEVIATIONS * np.maximum(channels.std(axis=1), 0.5))
    middle = (node.hi + node.lo) / 2 - slope * channels.mean(axis=1)
    multiplier, offset = ((number * (1 << SHIFT)).round().astype(np.int64) for number in (slope, middle))
    return replace(node, multiplier=np.maximum(multiplier, 1), offset=offset, shift=SHIFT)
