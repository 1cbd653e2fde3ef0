"""Predictions of layers that are kept from one network to the next: the mixed networks of a search differ in
a few layers only, and a layer of the same content, fold and links takes the same."""

import hashlib
from dataclasses import fields
from typing import Any

import numpy as np

from fermatnet.hw.resources import Resources
from fermatnet.model.network import Network
from fermatnet.model.network.node import Node

__all__ = ["Known"]


class Known(dict[Any, Resources]):
    """``known`` of `fermatnet.hw.resources.layers.by_layer` for one network, over a ``store`` of many."""

    def __init__(self, net: Network, store: dict[Any, Resources]) -> None:
        super().__init__()
        self.store = store
        self.content = {node.name: _content(net, node) for node in net.nodes}

    def _key(self, key: Any) -> Any:
        return key, self.content[key[0]]

    def __contains__(self, key: Any) -> bool:
        return self._key(key) in self.store

    def __getitem__(self, key: Any) -> Resources:
        return self.store[self._key(key)]

    def __setitem__(self, key: Any, value: Resources) -> None:
        self.store[self._key(key)] = value


def _content(net: Network, node: Node) -> str:
    """Digest of all that a layer is and of its place: its numbers, what comes in, what leaves, how many read
    it."""
    digest = hashlib.sha256(type(node).__name__.encode())
    for item in fields(node):  # type: ignore[arg-type]
        value = getattr(node, item.name)
        digest.update(f"{item.name}:".encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            digest.update(repr(value).encode())
    kinds = [net.types[name] for name in (*node.inputs, node.name)]
    digest.update(repr((kinds, len(net.consumers(node.name)))).encode())
    return digest.hexdigest()
