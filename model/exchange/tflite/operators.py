"""Operators of TensorFlow Lite that are read, with every option of each and the values that are understood.

Which options exist comes from the schema that the `tflite` package was generated from: an option that a newer
schema adds and that is not listed here is refused unless it has its default value.
"""

from dataclasses import dataclass
from typing import Any

import tflite
from flatbuffers.table import Table

from fermatnet.model.errors import InputError

__all__ = ["ACTIVATIONS", "OPERATORS", "PADDINGS", "Operator", "read_options"]

ACTIVATIONS = {0: "none", 1: "relu", 2: "relu_n1_to_1", 3: "relu6"}
PADDINGS = {0: "same", 1: "valid"}
_POOL = {"Padding", "StrideW", "StrideH", "FilterWidth", "FilterHeight", "FusedActivationFunction"}
_BASES = {"Init", "GetRootAs", "Table"}


@dataclass(frozen=True)
class Operator:
    """``options``: class of the options table and the accessors that the reader reads; ``fixed``: those with
    one accepted value."""

    options: str = ""
    read: frozenset[str] = frozenset()
    fixed: tuple[tuple[str, Any], ...] = ()


OPERATORS: dict[str, Operator] = {
    "CONV_2D": Operator(
        "Conv2DOptions",
        frozenset(
            {"Padding", "StrideW", "StrideH", "FusedActivationFunction", "DilationWFactor", "DilationHFactor"}
        ),
    ),
    "DEPTHWISE_CONV_2D": Operator(
        "DepthwiseConv2DOptions",
        frozenset(
            {
                "Padding",
                "StrideW",
                "StrideH",
                "DepthMultiplier",
                "FusedActivationFunction",
                "DilationWFactor",
                "DilationHFactor",
            }
        ),
    ),
    "FULLY_CONNECTED": Operator(
        "FullyConnectedOptions",
        frozenset({"FusedActivationFunction", "KeepNumDims"}),
        (("WeightsFormat", 0), ("AsymmetricQuantizeInputs", False)),
    ),
    "ADD": Operator("AddOptions", frozenset({"FusedActivationFunction", "PotScaleInt16"})),
    "AVERAGE_POOL_2D": Operator("Pool2DOptions", frozenset(_POOL)),
    "MAX_POOL_2D": Operator("Pool2DOptions", frozenset(_POOL)),
    "CONCATENATION": Operator("ConcatenationOptions", frozenset({"Axis"}), (("FusedActivationFunction", 0),)),
    "RESHAPE": Operator(
        "ReshapeOptions", frozenset({"NewShape", "NewShapeAsNumpy", "NewShapeLength", "NewShapeIsNone"})
    ),
    "PAD": Operator("PadOptions"),
    "RESIZE_NEAREST_NEIGHBOR": Operator(
        "ResizeNearestNeighborOptions", fixed=(("AlignCorners", False), ("HalfPixelCenters", False))
    ),
    "SOFTMAX": Operator("SoftmaxOptions", frozenset({"Beta"})),
    "LOGISTIC": Operator(),
    "DEQUANTIZE": Operator("DequantizeOptions"),
    "QUANTIZE": Operator("QuantizeOptions"),
}
_ANY_VALUE = {"SOFTMAX"}  # only taken off at the end


def _accessors(options: Any) -> list[str]:
    own = [name for name in vars(type(options)) if not name.startswith("_")]
    return [
        name
        for name in own
        if not name.startswith(tuple(_BASES)) and not name.endswith("BufferHasIdentifier")
    ]


def _default(kind: type, name: str) -> Any:
    """What the accessor gives for a table without any field."""
    empty = kind()
    empty.Init(b"\x04\x00\x04\x00\x04\x00\x00\x00", 4)  # a vtable of no fields, and a table that points to it
    return getattr(empty, name)()


def read_options(operator: Any, kind: str, name: str) -> dict[str, Any]:
    """Options of one operator by accessor name, each understood; InputError names the first that is not."""
    known = OPERATORS[kind]
    if not known.options:
        return {}
    options = getattr(tflite, known.options)()
    table: Table | None = operator.BuiltinOptions()
    if table is not None:
        options.Init(table.Bytes, table.Pos)
    else:
        return {key: _default(type(options), key) for key in known.read if not key.startswith("NewShape")}
    fixed, values = dict(known.fixed), {}
    for key in _accessors(options):
        if key.startswith("NewShape"):
            continue  # the output tensor's own shape says it
        value = getattr(options, key)()
        if key in known.read:
            values[key] = value
        elif key in fixed:
            if value != fixed[key]:
                raise InputError(f"layer {name!r}: {kind} with {key}={value} is not read, only {fixed[key]}")
        elif value != _default(type(options), key) and kind not in _ANY_VALUE:
            raise InputError(
                f"layer {name!r}: {kind} has an option {key}={value} that this version does not know"
            )
    return values
