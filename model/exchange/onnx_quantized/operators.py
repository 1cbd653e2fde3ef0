"""The operators of quantized ONNX files that are read, with every argument and the values it may have.

ONNX's own come with their schema (`onnx.defs`); those of onnxruntime's domain com.microsoft have none there,
so their attributes and defaults stand here, as its documentation of contributed operators gives them.
"""

from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange import arguments
from fermatnet.model.exchange.arguments import label, misfit
from fermatnet.model.exchange.operators import OPERATORS, READ, Only, Operator
from fermatnet.model.exchange.source_file import canonical

__all__ = ["FALLING", "MICROSOFT", "RISING", "TABLE", "arguments_of"]

MICROSOFT = "com.microsoft"
_VERSIONS = (10, 13, 19, 21, 23, 24, 25)
_WHOLE = Only((0,), "quantize by tensor or by channel, not by blocks")
_SCALES = {"axis": READ, "block_size": _WHOLE, "output_dtype": READ, "precision": READ, "saturate": READ}
_WINDOW = {"auto_pad": READ, "kernel_shape": READ, "pads": READ, "strides": READ}
_EVERY = (1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25)

# elementwise functions of one tensor that never fall; a maximum may be taken before them
RISING = frozenset({"Clip", "Elu", "HardSigmoid", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"})
# those that may, or whose constants decide
FALLING = frozenset({"Abs", "Add", "Celu", "Div", "Exp", "Gelu", "HardSwish", "LeakyRelu", "Mish", "Mul"}) | {
    "Neg",
    "PRelu",
    "Sqrt",
    "Sub",
}


_NEAREST = "quantize the float model again with nearest upsampling, or give it to fermatnet.quantize"
_RESIZE = {
    **dict.fromkeys(("axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside")),
    **dict.fromkeys(("extrapolation_value", "keep_aspect_ratio_policy", "nearest_mode")),
    "mode": Only((b"nearest",), _NEAREST),
    "antialias": Only((0,)),
}


def _elementwise(name: str) -> Operator:
    """onnxruntime itself is asked what it computes, so every attribute that its schema has is understood."""
    schema = onnx.defs.get_schema(name)
    return Operator(_EVERY, ("a", "a?"), dict.fromkeys(schema.attributes, READ))


_KEPT = ("Conv", "Gemm", "MatMul", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool")
_MOVED = ("ReduceMean", "Flatten", "Reshape", "Squeeze", "Concat", "Identity", "Dropout", "Softmax")

TABLE: dict[tuple[str, str], Operator] = {
    **{("", name): OPERATORS["", name] for name in (*_KEPT, *_MOVED)},
    **{("", name): _elementwise(name) for name in RISING | FALLING},
    ("", "Clip"): OPERATORS["", "Clip"],
    ("", "Unsqueeze"): Operator((1, 11, 13, 21, 23, 24, 25), ("x", "i?"), {"axes": READ}),
    ("", "ConvTranspose"): Operator(
        (1, 11, 22),
        ("x", "w", "c?"),
        {**_WINDOW, **dict.fromkeys(("dilations", "group", "output_padding", "output_shape"))},
    ),
    ("", "Slice"): Operator((10, 11, 13), ("x", "i", "i", "i?", "i?")),
    ("", "Split"): Operator((2, 11, 13, 18), ("x", "i?"), dict.fromkeys(("axis", "split", "num_outputs"))),
    ("", "Pad"): Operator(
        (11, 13, 18, 19, 21, 23, 24, 25),
        ("x", "i", "n?", "i?"),
        {"mode": Only((b"constant", b"reflect", b"edge", b"wrap"))},
    ),
    ("", "Resize"): Operator((11, 13, 18, 19), ("x", "n?", "n?", "i?"), _RESIZE),
    ("", "DepthToSpace"): Operator((1, 11, 13), ("x",), {"blocksize": READ, "mode": READ}),
    ("", "SpaceToDepth"): Operator((1, 13), ("x",), {"blocksize": READ}),
    ("", "ArgMax"): Operator(
        (1, 11, 12, 13), ("x",), dict.fromkeys(("axis", "keepdims", "select_last_index"))
    ),
    ("", "LogSoftmax"): Operator((1, 11, 13), ("x",), {"axis": READ}),
    ("", "QuantizeLinear"): Operator(_VERSIONS, ("a", "n", "n?"), _SCALES),
    ("", "DequantizeLinear"): Operator(_VERSIONS, ("a", "n", "n?"), _SCALES),
    ("", "QLinearConv"): Operator((10,), ("x",) * 9, {**_WINDOW, "dilations": READ, "group": READ}),
    ("", "QLinearMatMul"): Operator((10, 21), ("x",) * 8),
    (MICROSOFT, "QuantizeLinear"): Operator((1,), ("a", "n", "n?"), {"axis": READ}),
    (MICROSOFT, "DequantizeLinear"): Operator((1,), ("a", "n", "n?"), {"axis": READ}),
    (MICROSOFT, "QGemm"): Operator(
        (1,), ("x",) * 9, {"alpha": Only((1.0,)), "transA": Only((0,)), "transB": Only((0, 1))}
    ),
    (MICROSOFT, "QLinearAdd"): Operator((1,), ("x",) * 8),
    (MICROSOFT, "QLinearMul"): Operator((1,), ("x",) * 8),
    (MICROSOFT, "QLinearConcat"): Operator((1,), ("x",), {"axis": READ}),
    (MICROSOFT, "QLinearSigmoid"): Operator((1,), ("x",) * 5),
    (MICROSOFT, "QLinearLeakyRelu"): Operator((1,), ("x",) * 5, {"alpha": READ}),
    (MICROSOFT, "QLinearGlobalAveragePool"): Operator((1,), ("x",) * 5, {"channels_last": Only((0,))}),
    (MICROSOFT, "QLinearAveragePool"): Operator(
        (1,),
        ("x",) * 5,
        {**_WINDOW, "ceil_mode": READ, "count_include_pad": READ, "channels_last": Only((0,))},
    ),
    (MICROSOFT, "QLinearSoftmax"): Operator((1,), ("x",) * 5, {"axis": READ, "opset": READ}),
}

_DEFAULTS: dict[str, dict[str, Any]] = {
    "QuantizeLinear": {"axis": 1},
    "DequantizeLinear": {"axis": 1},
    "QGemm": {"alpha": 1.0, "transA": 0, "transB": 0},
    "QLinearConcat": {"axis": None},
    "QLinearLeakyRelu": {"alpha": 0.01},
    "QLinearGlobalAveragePool": {"channels_last": 0},
    "QLinearAveragePool": {
        "auto_pad": b"NOTSET",
        "ceil_mode": 0,
        "count_include_pad": 0,
        "channels_last": 0,
        "kernel_shape": None,
        "pads": [],
        "strides": [],
    },
    "QLinearSoftmax": {"axis": -1, "opset": None},
}


def arguments_of(node: onnx.NodeProto, opsets: dict[str, int]) -> dict[str, Any]:
    """Every attribute of a node by name, defaults filled in. Raises InputError that names the node and what
    is not read: operator, domain, version, attribute or value."""
    domain = canonical(node.domain)
    entry = TABLE.get((domain, node.op_type))
    if entry is None:
        where = f" of domain {node.domain!r}" if domain else ""
        raise InputError(f"{label(node)}: {node.op_type}{where} is not read: {_instead(node.op_type)}")
    if domain:
        return _microsoft(node, entry)
    given = arguments.attributes(node, opsets, entry)
    arguments.count_inputs(node, opsets)
    return given


def _instead(op_type: str) -> str:
    """What to write where the import reads no operator of this name."""
    if op_type == "Erf":
        return "export GELU as one operator (opset 20 or later, torch.onnx.export(..., opset_version=20))"
    read = sorted({name for _, name in TABLE})
    return f"express it by operators that are ({', '.join(read)}), or take it off the network's end"


def _microsoft(node: onnx.NodeProto, entry: Operator) -> dict[str, Any]:
    known = _DEFAULTS.get(node.op_type, {})
    given = {name: value for name, value in known.items() if value is not None}
    for item in node.attribute:
        if item.name not in known:
            raise InputError(f"{label(node)}: {node.op_type} has no attribute {item.name!r}")
        given[item.name] = onnx.helper.get_attribute_value(item)
        rule = entry.attributes.get(item.name)
        if isinstance(rule, Only) and given[item.name] not in rule.values:
            raise InputError(
                f"{label(node)}: {node.op_type} with {item.name} = {given[item.name]!r} is not read"
            )
        if isinstance(given[item.name], float) and not np.isfinite(given[item.name]):
            raise misfit(node, f"{item.name} is not finite")
    for name, value in known.items():
        if value is None and name not in given:
            raise misfit(node, f"the attribute {name!r} is missing")
    return given
