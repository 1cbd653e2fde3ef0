"""Plans of layers do not change, and the table of layers takes new ones but no second one for a node."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from fermatnet.bench.samples.networks import random_network
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.layers import Layer, Placement, layer_of, register
from fermatnet.hw.layers.elementwise import ThresholdLayer
from fermatnet.model.errors import InputError
from fermatnet.model.network import layers as node_types
from fermatnet.model.network import nodes


@pytest.fixture(scope="module")
def net():
    return random_network(3)


def test_a_plan_does_not_change(net):
    layer = layer_of(net, net.nodes[0])
    with pytest.raises(AttributeError, match="is a plan and does not change"):
        layer.target = "lut6"
    design = plan(net, folds={}, external="none")
    for thing in (design, design.schedule):
        with pytest.raises(FrozenInstanceError):
            thing.period = 1


def test_planning_twice_gives_the_same(net):
    """Nothing is left behind by a first call, or by asking every fold for its numbers."""
    first = plan(net, folds={}, external="none")
    for layer in first.layers.values():
        assert all(layer.cycles(fold) >= 1 and layer.cost(fold) > 0 for fold in layer.folds())
    again = plan(net, folds={}, external="none")
    assert (first.folds, first.paces) == (again.folds, again.paces)
    assert first.schedule.edges == again.schedule.edges and first.schedule.rows == again.schedule.rows
    assert first.latency == again.latency


def test_contents_do_not_size_a_block(net):
    """A reloadable block is as wide as what sizes it, whatever weights it holds."""
    compared = 0
    for node in net.nodes:
        zero = {key: np.zeros_like(getattr(node, key)) for key in ("weight", "codes") if hasattr(node, key)}
        layer = layer_of(net, node)
        if not layer.streamable() or not zero:
            continue
        fold = layer.folds()[0]
        other = layer_of(net, node, contents=replace(node, **zero))
        blocks = [one.block(Placement(fold, (fold.simd,))) for one in (layer, other)]
        assert blocks[0].weight_bits == blocks[1].weight_bits
        assert blocks[0].array.words() != blocks[1].array.words()
        compared += 1
    assert compared


def test_tables_of_layers():
    class Other(Layer):
        pass

    register(nodes.Threshold, ThresholdLayer)  # again is no change
    with pytest.raises(InputError, match="a Threshold has a layer already, ThresholdLayer"):
        register(nodes.Threshold, Other)

    class Levels(nodes.Node):
        OPS = nodes.Levels.OPS

    with pytest.raises(InputError, match="operator 'Levels' belongs to another layer"):
        node_types.register(Levels)
    assert Levels not in node_types.LAYERS
