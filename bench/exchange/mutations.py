"""What a mutant changes: one attribute, domain, operator, constant, type, input, version or order."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["MUTATIONS", "changed"]

Random = np.random.Generator
_DOMAINS = (
    "",
    "ai.onnx.ml",
    "qonnx.custom_op.general",
    "qonnx.custom_op.channels_last",
    "onnx.brevitas",
    "com.microsoft",
)
_TYPES = (np.float64, np.float16, np.float32, np.int64, np.int32, np.uint8, np.bool_)
_OPERATORS = (
    "Relu",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Conv",
    "MatMul",
    "Gemm",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Identity",
    "Neg",
    "Abs",
    "Sigmoid",
    "Min",
    "Max",
    "Flatten",
    "ReduceMean",
    "ReduceMax",
    "Softmax",
    "BipolarQuant",
    "Quant",
    "Clip",
)
_NUMBERS: dict[str, list[object]] = {
    "pads": [[1, 0, 0, 0], [0, 0, 1, 1], [2, 2, 2, 2], [1, 1], [-1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]],
    "strides": [[2, 2], [1, 2], [3, 3], [1], [0, 1], [2, 1]],
    "dilations": [[2, 2], [1, 2], [1], [1, 1]],
    "kernel_shape": [[1, 1], [2, 2], [3, 3], [3], [2, 3], [4, 4]],
    "auto_pad": ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "SAME"],
    "rounding_mode": ["FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "half_even", "STOCHASTIC"],
    "axes": [[2, 3], [3, 2], [-1, -2], [1], [2], [1, 2, 3], [0, 2, 3]],
    "perm": [[0, 1], [1, 0]],
    "axis": [0, 1, 2, -1, -3, 3],
    "group": [1, 2, 4, 3, 0],
    "epsilon": [0.0, 0.1, 100.0, -1.0],
    "alpha": [0.5, 1.0, -1.0],
    "beta": [0.5, 0.0, 1.0],
    "value": [1],
    "to": [1, 10, 11, 6, 7],
}
_FLAGS = [0, 1, 2, -1]


def _attributes(node: onnx.NodeProto, model: onnx.ModelProto) -> list[str]:
    if node.domain == "com.microsoft":
        return ["alpha", "axis", "channels_last", "transA", "transB"]
    if node.domain:
        return ["signed", "narrow", "rounding_mode"]
    version = next(item.version for item in model.opset_import if item.domain == "")
    try:
        return sorted(onnx.defs.get_schema(node.op_type, version, "").attributes)
    except onnx.defs.SchemaError:
        return []


def _pick(rng: Random, values: Iterable[Any]) -> Any:
    values = list(values)
    return values[int(rng.integers(len(values)))]


def _attribute(model: onnx.ModelProto, rng: Random) -> str:
    """One attribute set, removed, or invented."""
    node = _pick(rng, model.graph.node)
    names = [*_attributes(node, model), *([] if rng.random() < 0.9 else ["invented"])]
    if not names:
        return _operator(model, rng)
    name = _pick(rng, names)
    kept = [item for item in node.attribute if item.name != name]
    there = len(kept) < len(node.attribute)
    del node.attribute[:]
    node.attribute.extend(kept)
    if there and rng.random() < 0.2:
        return f"{node.name}: without {name}"
    value = _pick(rng, _NUMBERS.get(name, _FLAGS))
    node.attribute.append(helper.make_attribute(name, value))
    return f"{node.name}: {name} = {value}"


def _domain(model: onnx.ModelProto, rng: Random) -> str:
    node = _pick(rng, model.graph.node)
    node.domain = _pick(rng, _DOMAINS)
    return f"{node.name}: domain {node.domain!r}"


def _operator(model: onnx.ModelProto, rng: Random) -> str:
    node = _pick(rng, model.graph.node)
    node.op_type = _pick(rng, _OPERATORS)
    return f"{node.name}: is a {node.op_type}"


def _shapes(shape: tuple[int, ...], rng: Random) -> tuple[int, ...]:
    size = max(shape, default=1)
    options = [
        (),
        (1,),
        (size,),
        (1, size),
        (size, 1),
        (size, 1, 1),
        (1, size, 1, 1),
        (1, 1, size, 1),
        (1, 1, 1, size),
        (1, 1, size),
        (size, 1, 1, 1),
        shape[::-1],
        (1, *shape),
        (*shape, 1),
        (size + 1,),
        (2,),
        (1, 1, 1, 1),
        (1, 1, 1, 1, 1),
    ]
    return _pick(rng, options)


def _broadcast(model: onnx.ModelProto, rng: Random) -> str:
    """A constant of another shape, its numbers equal, different, or its own."""
    tensor = _pick(rng, model.graph.initializer)
    value = numpy_helper.to_array(tensor)
    shape = _shapes(value.shape, rng)
    flat = np.resize(value.ravel(), int(np.prod(shape)))
    if rng.random() < 0.5 and value.dtype.kind == "f":
        flat = flat * rng.uniform(0.5, 2, flat.size)
    tensor.CopyFrom(numpy_helper.from_array(flat.astype(value.dtype).reshape(shape), tensor.name))
    return f"constant {tensor.name} of shape {value.shape} -> {shape}"


def _type(model: onnx.ModelProto, rng: Random) -> str:
    tensor = _pick(rng, model.graph.initializer)
    kind = _pick(rng, _TYPES)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(kind), tensor.name))
    return f"constant {tensor.name} as {np.dtype(kind)}"


def _value(model: onnx.ModelProto, rng: Random) -> str:
    tensor = _pick(rng, model.graph.initializer)
    value = numpy_helper.to_array(tensor).copy()
    if not value.size:
        return _type(model, rng)
    change = _pick(rng, [-1, 0, 2, 0.5, 1e-9, 1e9, np.nan, np.inf, 3, 0.3])
    place = int(rng.integers(value.size)) if rng.random() < 0.5 else slice(None)
    with np.errstate(all="ignore"):
        flat = value.astype(np.float64).ravel()
        flat[place] = flat[place] * change + (1 if change == 0 and rng.random() < 0.5 else 0)
        flat = np.nan_to_num(flat) if value.dtype.kind != "f" else flat
    tensor.CopyFrom(numpy_helper.from_array(flat.reshape(value.shape).astype(value.dtype), tensor.name))
    return f"constant {tensor.name} times {change} at {place}"


def _input(model: onnx.ModelProto, rng: Random) -> str:
    node = _pick(rng, model.graph.node)
    place = int(rng.integers(len(node.input)))
    how = _pick(rng, ["swap", "drop", "empty", "other", "more"])
    if how == "swap" and len(node.input) > 1:
        node.input[0], node.input[place or 1] = node.input[place or 1], node.input[0]
    elif how == "drop":
        del node.input[place]
    elif how == "empty":
        node.input[place] = ""
    else:
        written = [
            "x",
            *(item.output[0] for item in model.graph.node if item is not node),
            *(t.name for t in model.graph.initializer),
        ]
        name = _pick(rng, written)
        if how == "more":
            node.input.append(name)
        else:
            node.input[place] = name
    return f"{node.name}: input {place} {how} -> {list(node.input)}"


def _version(model: onnx.ModelProto, rng: Random) -> str:
    item = _pick(rng, model.opset_import)
    item.version = int(_pick(rng, [1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 20, 22, 25, 99]))
    return f"version {item.version} of domain {item.domain!r}"


def _declared(model: onnx.ModelProto, rng: Random) -> str:
    """The input's declared shape or type, or another tensor as the output."""
    kind = model.graph.input[0].type.tensor_type
    how = int(rng.integers(4))
    if how == 0:
        dim = _pick(rng, kind.shape.dim)
        dim.dim_value = int(_pick(rng, [1, 2, 3, 5, 0]))
    elif how == 1:
        _pick(rng, kind.shape.dim).dim_param = "n"
    elif how == 2:
        kind.elem_type = int(
            _pick(rng, [TensorProto.DOUBLE, TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.INT8])
        )
    else:
        model.graph.output[0].name = _pick(rng, model.graph.node).output[0]
    return (
        f"declared: {[d.dim_value or d.dim_param for d in kind.shape.dim]}, type {kind.elem_type}, output "
        f"{model.graph.output[0].name}"
    )


def _order(model: onnx.ModelProto, rng: Random) -> str:
    """Two neighbouring nodes exchanged, or one left out with its first input passed on."""
    place = int(rng.integers(len(model.graph.node) - 1))
    first, second = model.graph.node[place], model.graph.node[place + 1]
    if rng.random() < 0.3:
        copy = onnx.NodeProto()
        copy.CopyFrom(first)
        first.CopyFrom(second)
        second.CopyFrom(copy)
        return f"nodes {first.name} and {second.name} exchanged"
    for node in model.graph.node:
        node.input[:] = [first.input[0] if name == first.output[0] else name for name in node.input]
    name = first.name
    del model.graph.node[place]
    return f"without {name}"


MUTATIONS: list[tuple[float, Callable[[onnx.ModelProto, Random], str]]] = [
    (0.3, _attribute),
    (0.06, _domain),
    (0.1, _operator),
    (0.18, _broadcast),
    (0.08, _type),
    (0.1, _value),
    (0.08, _input),
    (0.03, _version),
    (0.03, _declared),
    (0.04, _order),
]


def changed(model: onnx.ModelProto, rng: Random) -> str:
    """Changes one thing in ``model``, and says what."""
    chances = [chance for chance, _ in MUTATIONS]
    return MUTATIONS[int(rng.choice(len(chances), p=chances))][1](model, rng)
