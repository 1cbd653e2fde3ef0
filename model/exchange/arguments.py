"""A node against the table of operators: its attributes with their defaults, or the argument that is not
understood."""

from typing import Any

import numpy as np
import onnx

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.operators import OPERATORS, QONNX, Only, Operator
from fermatnet.model.exchange.source_file import canonical

__all__ = ["attributes", "count_inputs", "label", "misfit", "operator"]


def label(node: onnx.NodeProto) -> str:
    """A node's name for a message; without one, the name of what it writes."""
    return f"ONNX node {(node.name or (node.output[0] if node.output else ''))!r}"


def misfit(node: onnx.NodeProto, reason: str) -> InputError:
    """The error for a node that ONNX itself would not take."""
    return InputError(
        f"{label(node)}: its inputs, shapes or attributes are not those of a {node.op_type}: {reason}"
    )


def operator(node: onnx.NodeProto) -> Operator:
    """The table's entry of a node. Raises InputError where its domain or operator has none."""
    domain = canonical(node.domain)
    found = OPERATORS.get((domain, node.op_type))
    if found is not None:
        return found
    if "channels_last" in domain:
        raise InputError(
            f"{label(node)}: {node.op_type} of domain {node.domain!r} works on channels last (NHWC): "
            "export the network with channels first (qonnx: ConvertToChannelsFirst)"
        )
    if any(name == node.op_type for _, name in OPERATORS):
        raise InputError(
            f"{label(node)}: {node.op_type} of domain {node.domain!r} is not supported, only that of "
            f"{next(d for d, name in OPERATORS if name == node.op_type) or 'ai.onnx'!r}"
        )
    raise InputError(f"{label(node)}: {node.op_type} is not supported")


def _schema(node: onnx.NodeProto, opsets: dict[str, int]) -> tuple[dict[str, Any], int | None]:
    """Attributes that a node may have, each with (type or None, default or None, required), and the schema's
    version."""
    domain = canonical(node.domain)
    if domain:
        ours = QONNX[node.op_type]
        return {name: (None, default, default is None) for name, default in ours.items()}, None
    schema = onnx.defs.get_schema(node.op_type, opsets[domain], domain)
    known = {}
    for name, item in schema.attributes.items():
        empty = item.default_value.type == onnx.AttributeProto.UNDEFINED
        default = None if empty else onnx.helper.get_attribute_value(item.default_value)
        kind: Any = item.type
        known[name] = (int(kind.value), default, item.required)
    return known, schema.since_version


def attributes(node: onnx.NodeProto, opsets: dict[str, int], entry: Operator | None) -> dict[str, Any]:
    """Every attribute of a node by name, defaults filled in, those without a value left out.

    ``entry``: the accepted values; None for a node of constants alone, whose attributes need only exist.
    Raises InputError naming the attribute that the schema does not have, that the table does not know, or
    whose value is not accepted.
    """
    try:
        known, version = _schema(node, opsets)
    except onnx.defs.SchemaError as error:
        raise InputError(
            f"{label(node)}: version {opsets['']} of ONNX has no operator {node.op_type}"
        ) from error
    if entry is not None and version is not None and version not in entry.since:
        raise InputError(
            f"{label(node)}: {node.op_type} in its version {version} is not supported: export the model "
            "with opset_version=13"
        )
    given: dict[str, Any] = {name: default for name, (_, default, _) in known.items() if default is not None}
    seen: set[str] = set()
    for item in node.attribute:
        if item.name not in known:
            raise InputError(f"{label(node)}: {node.op_type} has no attribute {item.name!r}")
        kind = known[item.name][0]
        if item.name in seen or (kind is not None and item.type != kind):
            raise misfit(node, f"attribute {item.name!r} is given twice or of another type")
        seen.add(item.name)
        given[item.name] = onnx.helper.get_attribute_value(item)
    for name, (_, _, required) in known.items():
        if required and name not in given:
            raise misfit(node, f"the attribute {name!r} is missing")
        if entry is not None:
            _accepted(node, entry, name, given)
    return given


def count_inputs(node: onnx.NodeProto, opsets: dict[str, int]) -> None:
    """Raises InputError unless a node has as many inputs as its operator in this version takes: some
    attributes became inputs."""
    if canonical(node.domain):
        return
    schema = onnx.defs.get_schema(node.op_type, opsets[""], "")
    if not schema.min_input <= len(node.input) <= schema.max_input:
        raise misfit(node, f"in version {opsets['']} of ONNX it does not take {len(node.input)} inputs")


def _accepted(node: onnx.NodeProto, entry: Operator, name: str, given: dict[str, Any]) -> None:
    if name not in entry.attributes:
        if name in given:
            raise InputError(f"{label(node)}: the attribute {name!r} of {node.op_type} is not supported")
        return
    rule = entry.attributes[name]
    if not isinstance(rule, Only) or name not in given:
        return
    value = tuple(given[name]) if isinstance(given[name], list) else given[name]
    if value not in rule.values or (isinstance(value, float) and not np.isfinite(value)):
        instead = f": {rule.instead}" if rule.instead else ""
        raise InputError(f"{label(node)}: {node.op_type} with {name} = {value!r} is not supported{instead}")
