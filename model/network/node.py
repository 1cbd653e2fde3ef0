"""What every layer of a network file is: plain data that knows its type rule, its arithmetic, its place in
the file, its weights.

Tensors between layers are NCHW. Two kinds of values travel: *piece indices* (uint8, 0..N) and *integers*
(int64 in the files and the reference, as wide as their proven range in hardware). A layer knows nothing of
gates; the hardware's view of it is in `fermatnet.hw.layers`.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.file.body import Body
from fermatnet.model.network.types import TensorType

__all__ = ["Context", "Node", "Op", "Weights"]


class Context(Protocol):
    """What a layer may ask of the network that it stands in."""

    @property
    def types(self) -> dict[str, TensorType]:
        """Shape and range of each tensor so far."""

    def is_index(self, name: str) -> bool:
        """Whether a tensor holds piece indices."""

    def is_input(self, name: str) -> bool:
        """Whether a tensor comes from outside."""


@dataclass(frozen=True)
class Op:
    """One operator of the file: ``body`` writes its meaning in standard ONNX, over the named ``inputs`` and
    ``attributes``."""

    body: Callable[[Body], None]
    inputs: tuple[str, ...]
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Weights:
    """Number of weights of a layer, the bits they take in the file's coding, how many binary planes pair up
    in a product (0: none do), and the width that holds each of the integers."""

    count: int = 0
    bits: int = 0
    planes: int = 0
    width: int = 0


@dataclass(eq=False)
class Node:
    """One layer: its name, the tensors it reads, the tensor it writes (named as the node).

    A subclass states how many inputs it takes (``COUNT``; None: two or more), whether these are piece indices
    (``INDICES`` True), integers (False) or either (None), its arrays with the type each is stored in
    (``ARRAYS``; "w" is int8 or int16 by the field ``weight_bits``), and the methods below.
    """

    name: str
    inputs: tuple[str, ...]

    COUNT: ClassVar[int | None] = 1
    INDICES: ClassVar[bool | None] = False
    ARRAYS: ClassVar[dict[str, str]] = {}
    OPS: ClassVar[dict[str, Op]] = {}

    def infer(self, *inputs: TensorType) -> TensorType:
        """Type of the output, from the true weights; InputError (without the layer's name) when a requirement
        is not met."""
        raise NotImplementedError(type(self).__name__)

    def compute(self, net: Context, *xs: np.ndarray) -> np.ndarray:
        """Exact output int64 (n, C, H, W) of int64 inputs: the bit-exact reference."""
        raise NotImplementedError(type(self).__name__)

    def writes_indices(self, index: list[bool]) -> bool:
        """Whether the output holds piece indices, given which inputs do."""
        return False

    def op(self, net: Context) -> str:
        """Name of the operator that the file holds for this layer in this network: a key of `OPS`, or a name
        `op_named` knows."""
        return type(self).__name__

    def attributes(self, net: Context) -> dict[str, Any]:
        """Attributes of the file's operator: integers and lists of integers (strings for readers only)."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Initializers in file order, in the types that the file holds."""
        arrays = {}
        for name, kind in self.ARRAYS.items():
            stored = f"i{self.weight_bits // 8}" if kind == "w" else kind  # type: ignore[attr-defined]
            arrays[name] = getattr(self, name).astype(stored)
        return arrays

    @classmethod
    def op_named(cls, op: str) -> Op | None:
        """The operator of this layer type called ``op``, or None."""
        return cls.OPS.get(op)

    @classmethod
    def read(
        cls,
        name: str,
        inputs: tuple[str, ...],
        op: str,
        attributes: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> "Node":
        """The layer from a file's operator, of the arrays and attributes that are called as its fields are;
        ``arrays`` as int64 except the fields that are kept narrow.

        Raises InputError, or KeyError, TypeError, ValueError where attributes or arrays are missing or of
        another kind.
        """
        own = {field.name for field in fields(cls)}
        return cls(name, inputs, **arrays, **{key: attributes[key] for key in attributes if key in own})

    def weights(self) -> Weights:
        """What the layer stores."""
        return Weights()

    def describe_engine(self, net: Context, cycles: int | None = None) -> tuple[str, str]:
        """Engine in words, and the reasons for it where there was a choice."""
        return "", ""

    def check_inputs(self, index: list[bool]) -> None:
        """InputError unless the number and the kind of the inputs are right."""
        kind = type(self).__name__
        count = len(index)
        if not (count == self.COUNT if self.COUNT else count >= 2):
            raise InputError(f"a {kind} does not take {count} inputs")
        if len(set(index)) != 1:
            raise InputError("cannot mix piece indices and integers")
        if self.INDICES is not None and index[0] != self.INDICES:
            words = {True: "piece indices", False: "integers"}
            raise InputError(f"a {kind} takes {words[self.INDICES]}, not {words[not self.INDICES]}")
