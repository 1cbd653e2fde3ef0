"""The network file: nodes, checks, save and load as ONNX, and the bit-exact reference that runs it."""

from typing import TYPE_CHECKING, Any

from fermatnet.model.network.file.store import load, save
from fermatnet.model.network.graph import Network

if TYPE_CHECKING:
    from fermatnet.model.network.reference import activations, run

__all__ = ["Network", "activations", "load", "run", "save"]


def __getattr__(name: str) -> Any:
    if name in ("activations", "run"):  # the reference kernels load only where something runs
        from fermatnet.model.network import reference

        return getattr(reference, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
