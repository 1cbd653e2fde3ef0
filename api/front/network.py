"""A network that runs and saves itself."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

from fermatnet.model.network import load as _load
from fermatnet.model.network import run as _run
from fermatnet.model.network import save as _save
from fermatnet.model.network.graph import Network as _Network

__all__ = ["Network", "load"]


class Network(_Network):
    """A network of integers: what `export` and `load` give, and what `generate` takes.

    Attributes of use: ``types`` (shape and exact range of every tensor), ``nodes``, ``inputs``, ``outputs``,
    ``meta``.
    """

    @classmethod
    def of(cls, net: _Network) -> "Network":
        """The same network with the methods of this class."""
        kept = {item.name: getattr(net, item.name) for item in fields(_Network) if item.init}
        return cls(**{**kept, "input_shape": net.input_dims})

    def run(
        self,
        images: np.ndarray | dict[str, np.ndarray],
        *,
        batch: int = 64,
        progress: Callable[[int], None] | None = None,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Exact outputs of the bit-exact reference.

        Parameters
        ----------
        images : (n, *input shape) of the network's input type (uint8 unless it says otherwise); one array a
        name where several come in
        batch : images at a time, bounds the memory;  progress : called with the number of images done

        Returns int64 (n, K), K values of the output tensor; one array a name where several leave.
        ``meta["output_scale"]`` makes them real numbers. Raises InputError for another type, shape or range.
        """
        return _run(self, images, batch=batch, progress=progress)

    def save(self, path: str | Path) -> None:
        """Write the network file (ONNX); it appears whole or not at all.

        Parameters
        ----------
        path : of the file; one that exists is replaced

        Raises InputError where the path cannot be written.
        """
        _save(self, path)


def load(path: str | Path) -> Network:
    """Read and check a network file.

    Parameters
    ----------
    path : of a file that `Network.save` or the command line wrote

    Raises InputError, naming the layer, on anything that is wrong with it.
    """
    return Network.of(_load(path))
