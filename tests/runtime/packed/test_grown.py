"""The packed engine on everything that imported models bring, in every form and kernel."""

from dataclasses import replace

import numpy as np
import pytest

from fermatnet.model.network import Network, run
from fermatnet.model.network.graph import needed
from fermatnet.model.network.inputs import Input
from fermatnet.model.network.nodes import Add, Dense
from fermatnet.runtime import Engine

from .. import grown
from . import nets

pytestmark = pytest.mark.skipif(not nets.forms(), reason="no C++ compiler")


@pytest.mark.parametrize("name", grown.MAKERS)
def test_every_form_and_kernel(name):
    net = grown.MAKERS[name]()
    x = grown.samples(net)
    wanted = run(net, x)
    for form in nets.forms():
        for kernel in ("", "bytes", "halves", "fermat"):
            engine = Engine(net, form=form, kernel=kernel)
            assert not engine.note and np.array_equal(engine(x), wanted), (form, kernel)
    assert Engine(net).explain(x).count("\n") >= 1


@pytest.mark.parametrize("name", grown.MAKERS)
def test_every_layer(name):
    """Every tensor of a network as its output, and few images for three threads."""
    net = grown.MAKERS[name]()
    x = grown.samples(net)
    for node in net.nodes:
        part = Network(needed(net.nodes, node.name), net.input_dims, net.input_range, output=node.name)
        part.input_dtype = net.input_dtype
        engine = Engine(part, 3)
        engine._emitter.program.alone = 0
        wanted = run(part, x.astype(part.input_dtype))
        for count in (1, 2, 9):
            assert np.array_equal(engine(x[:count]), wanted[:count]), node.name


def test_a_wrong_padding_value_or_correction_is_seen():
    net = grown.quantized()
    x = grown.samples(net)
    wanted = run(net, x)
    for name, more in (
        ("deep", {"pad_value": 6}),
        ("b", {"zero": -8}),
        ("c", {"second": net.node("c").second + 1}),
    ):
        nodes = [replace(node, **more) if node.name == name else node for node in net.nodes]
        assert not np.array_equal(Engine(Network(nodes, net.input_dims, net.input_range))(x), wanted), name


def test_a_vector_comes_in_as_one():
    net = grown.vector()
    x = grown.samples(net)
    assert np.array_equal(Engine(net)(x.reshape(len(x), -1)), run(net, x))


def test_several_inputs_run_in_the_reference():
    weight = np.ones((2, 3), np.int64)
    nodes = [Dense("a", ("x",), weight), Dense("b", ("z",), weight), Add("c", ("a", "b"))]
    net = Network(nodes, (3,), input_name="x", more_inputs=(Input("z", (3,)),))
    engine = Engine(net)
    assert engine.note.endswith("2 inputs and 1 outputs; one of each is handled has no packed kernel")
    samples = {"x": np.ones((2, 3), np.uint8), "z": np.full((2, 3), 2, np.uint8)}
    assert engine(samples).tolist() == [[9, 9], [9, 9]]
