"""Complexity by the convention of each method, and arithmetic computation effort, against counts by hand."""

import pytest

from fermatnet.bench.zoo.latency import Delays, latencies, table
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.zoo.analysis.complexity import report

IMAGE = (3, 32, 32)
SMALL = {"width": 4}


def counted(name, how, **options):
    return report(name, IMAGE, 10, layers=True, how=how, **{**SMALL, **options})


def split(figures):
    """(first and last layer, inner layers, norms)."""
    weighted = [layer for layer in figures["layers"] if layer["kind"] != "norm"]
    norms = [layer for layer in figures["layers"] if layer["kind"] == "norm"]
    edges = [layer for layer in weighted if layer["kind"] == "real"]
    return edges, [layer for layer in weighted if layer["kind"] != "real"], norms


@pytest.mark.parametrize(
    ("name", "weights", "activations", "planes", "products", "bits", "input_bits"),
    [
        ("abc", 5, 3, 5, 15, 5, 3),
        ("xnor", 1, 1, 1, 1, 1, 1),
        ("bireal", 1, 1, 1, 1, 1, 1),
        ("bwn", 1, 0, 1, 64, 1, 32),
        ("ttq", 2, 0, 2, 64, 2, 32),
        ("pa", 4, 5, 4, 20, 3, 3),
        ("pa", 8, 7, 8, 56, 4, 3),
    ],
)
def test_each_method_has_its_planes_and_bits(name, weights, activations, planes, products, bits, input_bits):
    figures = counted("resnet18", scheme(name, weights=weights, activations=activations))
    edges, inner, norms = split(figures)
    assert len(edges) == 2 and len(inner) == 19
    assert {layer["planes_weights"] for layer in inner} == {planes}
    assert {layer["planes_products"] for layer in inner} == {products}
    assert {layer["weight_bits"] for layer in inner} == {bits}
    assert {layer["input_bits"] for layer in inner} == {input_bits}
    real = sum(layer["weights"] for layer in edges)
    norm = sum(layer["weights"] + layer["biases"] for layer in norms)
    binary = sum(layer["weights"] for layer in inner)
    assert figures["storage_mbit"] == pytest.approx((32 * (real + norm) + planes * binary) / 1e6)
    macs = sum(layer["macs"] for layer in inner)
    expected = sum(layer["macs"] for layer in edges) + macs * products / 64
    assert figures["flops"] == pytest.approx(expected)
    first, last = edges  # 8-bit weights on 8-bit pixels and on the rescaled sums
    assert (first["weight_bits"], first["input_bits"]) == (8, 8)
    of_a_product = products if input_bits < 32 else planes * 32  # an AND each, or a real number a plane
    ace = macs * of_a_product + sum(x["macs"] * x["weight_bits"] * x["input_bits"] for x in edges)
    assert figures["ace"] == ace and last["weight_bits"] == 8


def test_k_bit_methods_store_k_bits():
    figures = counted("small-resnet", scheme("dorefa", weights=2, activations=4))
    weighted = [layer for layer in figures["layers"] if layer["kind"] == "real"]
    norms = [layer for layer in figures["layers"] if layer["kind"] == "norm"]
    inner = [layer for layer in weighted if layer["weight_bits"] == 2]
    assert len(inner) == len(weighted) - 2 and {layer["input_bits"] for layer in inner} == {4}
    storage = sum(layer["weights"] * layer["weight_bits"] for layer in weighted)
    storage += 32 * sum(layer["weights"] + layer["biases"] for layer in norms)
    assert figures["storage_mbit"] == pytest.approx(storage / 1e6)


def test_effort_of_the_thesis_networks():
    for name, of_a_product in (("bireal-resnet10-4", 1), ("plain-resnet10-4", 32 * 32)):
        figures = report(name, IMAGE, 10, layers=True)
        inner = [layer for layer in figures["layers"] if layer["kind"] in ("binary", "real")]
        threes = [x for x in inner if len(x["input_shape"]) == 3 and "stem" not in x["name"]]
        products = {x["weight_bits"] * x["input_bits"] for x in threes if x["weights"] > 200}
        assert of_a_product in products


def test_table_3_8():
    delays = Delays(xnor=3.0, gate_and=2.0, popcount=1.0, multiply=10.0, add=5.0, compare=4.0)
    assert latencies(2, (3, 3), delays) == [18 * 4 + 10, 18 * 3 + 50 + 20 + 4, 18 * 10 + 17 * 5]
    assert [name for name, _ in table()] == ["Bi-Real Net", "PA-Net", "full precision"]
