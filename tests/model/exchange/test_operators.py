"""The table of operators against the schemas: every argument that exists is known, what is not known is
refused."""

import onnx
import pytest
from onnx import helper

from fermatnet.model.errors import InputError
from fermatnet.model.exchange import operators
from fermatnet.model.exchange.arguments import attributes, count_inputs, operator
from fermatnet.model.exchange.operators import FOLDED, OPERATORS, QONNX, Operator
from fermatnet.model.exchange.qonnx.walk import _METHODS

STANDARD = sorted(name for domain, name in OPERATORS if not domain)


def versions(name):
    return {
        schema.since_version: schema
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.domain == "" and schema.name == name
    }


@pytest.mark.parametrize("name", STANDARD)
def test_every_attribute_of_every_version_is_in_the_table(name):
    entry, schemas = OPERATORS["", name], versions(name)
    for since in entry.since:
        if since not in schemas:
            assert since > max(schemas), f"version {since} of {name} never was"
            continue
        assert set(schemas[since].attributes) <= set(entry.attributes), f"version {since} of {name}"
        assert schemas[since].min_input <= len(entry.inputs)


def test_every_entry_has_a_function_and_qonnx_its_definition():
    assert {name for _, name in OPERATORS} == set(_METHODS) | {"Softmax"}
    for (domain, name), entry in OPERATORS.items():
        if domain:
            assert set(QONNX[name]) == set(entry.attributes)
    assert all(versions(name) for name in FOLDED)


def refused(node, words, version=17, entry=None):
    with pytest.raises(InputError, match=words) as caught:
        attributes(node, {"": version}, entry or operator(node))
    assert "\n" not in str(caught.value)


def test_an_attribute_that_the_schema_lacks():
    refused(helper.make_node("Relu", ["x"], ["y"], "r", slope=0.1), "'r': Relu has no attribute 'slope'")
    refused(
        helper.make_node("Quant", ["x"], ["y"], "q", domain="onnx.brevitas", signed=1, narrow=0, saturate=1),
        "'q': Quant has no attribute 'saturate'",
    )


def test_an_attribute_that_a_newer_schema_brings(monkeypatch):
    """As if onnx had added ``storage_order`` after the table was written."""
    entry = OPERATORS["", "MaxPool"]
    known = {name: rule for name, rule in entry.attributes.items() if name != "storage_order"}
    monkeypatch.setitem(operators.OPERATORS, ("", "MaxPool"), Operator(entry.since, entry.inputs, known))
    refused(
        helper.make_node("MaxPool", ["x"], ["y"], "p", kernel_shape=[2, 2], storage_order=1),
        "'p': the attribute 'storage_order' of MaxPool",
    )


def test_a_newer_version_of_an_operator(monkeypatch):
    entry = OPERATORS["", "MaxPool"]
    monkeypatch.setitem(
        operators.OPERATORS, ("", "MaxPool"), Operator((8, 10), entry.inputs, entry.attributes)
    )
    refused(
        helper.make_node("MaxPool", ["x"], ["y"], "p", kernel_shape=[2, 2]),
        "'p': MaxPool in its version 12 is not supported: .*opset_version",
    )


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            helper.make_node("Gemm", ["x", "w"], ["y"], "g", alpha=0.5),
            r"'g': Gemm with alpha = 0\.5 is not supported: fold the factor",
        ),
        (helper.make_node("Gemm", ["x", "w"], ["y"], "g", transA=1), "'g': Gemm with transA = 1"),
        (
            helper.make_node("MaxPool", ["x"], ["y"], "p", kernel_shape=[2, 2], dilations=[2, 2]),
            r"'p': MaxPool with dilations = \(2, 2\)",
        ),
        (helper.make_node("MaxPool", ["x"], ["y"], "p"), "'p': .* the attribute 'kernel_shape' is missing"),
        (
            helper.make_node("Quant", ["x"], ["y"], "q", domain="onnx.brevitas", signed=1),
            "'q': .* the attribute 'narrow' is missing",
        ),
        (
            helper.make_node("Conv", ["x", "w"], ["y"], "c", pads=[0.5]),
            "'c': .* attribute 'pads' is given twice or of another type",
        ),
        (
            helper.make_node("Cast", ["x"], ["y"], "k", to=7),
            "'k': Cast with to = 7 is not supported: cast to FLOAT",
        ),
    ],
)
def test_values_that_are_not_taken(node, words):
    refused(node, words)


def test_inputs_that_came_with_another_version():
    node = helper.make_node("Clip", ["x", "low", "high"], ["y"], "c")
    count_inputs(node, {"": 11})
    with pytest.raises(InputError, match=r"'c': .* in version 10 of ONNX it does not take 3 inputs"):
        count_inputs(node, {"": 10})
