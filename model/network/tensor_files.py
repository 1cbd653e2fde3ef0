"""Every tensor of a network in a folder of .npy files: for whoever looks for the first layer that differs."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fermatnet.model.network.graph import Network
from fermatnet.model.network.reference import activations, check_images

__all__ = ["INDEX", "write_tensors"]

INDEX = "tensors.json"


def _file_names(names: list[str]) -> dict[str, str]:
    """A file a tensor, in the network's order: its name, without what a file system might not take."""
    files: dict[str, str] = {}
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100].lstrip(".") or "tensor"
        file, count = f"{base}.npy", 2
        while file.lower() in {other.lower() for other in files.values()}:
            file, count = f"{base}~{count}.npy", count + 1
        files[name] = file
    return files


def write_tensors(
    net: Network,
    images: np.ndarray | Mapping[str, np.ndarray],
    directory: Path,
    *,
    batch: int = 64,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Runs the reference, writes every tensor as int64 (n, C, H, W), and returns the outputs (n, K) by name.

    ``directory`` is there already; `INDEX` in it lists name, file, layer type, shape and proven range of each
    tensor in the network's order, the inputs first. Memory is bounded by ``batch``; raises InputError as
    `check_images`.
    """
    samples = check_images(net, images)
    count = len(next(iter(samples.values())))
    files = _file_names(list(net.types))
    stores = {
        name: np.lib.format.open_memmap(
            directory / files[name], mode="w+", dtype=np.int64, shape=(count, *kind.shape)
        )
        for name, kind in net.types.items()
    }
    for start in range(0, count, batch):
        part = slice(start, start + batch)
        chunk = (
            images[part]
            if isinstance(images, np.ndarray)
            else {name: value[part] for name, value in images.items()}
        )
        for name, value in activations(net, chunk):
            stores[name][part] = value
        if progress:
            progress(min(start + batch, count))
    outputs = {name: np.array(stores[name]).reshape(count, -1) for name in net.outputs}
    for store in stores.values():
        store.flush()
    entries = [_entry(net, name, files[name]) for name in net.types]
    (directory / INDEX).write_text(json.dumps(entries, indent=1) + "\n")
    return outputs


def _entry(net: Network, name: str, file: str) -> dict[str, object]:
    kind = net.types[name]
    layer = "input" if net.is_input(name) else type(net.node(name)).__name__
    return {
        "name": name,
        "file": file,
        "layer": layer,
        "shape": list(kind.shape),
        "range": [kind.lo, kind.hi],
    }
