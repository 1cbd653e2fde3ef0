"""Resources by layer: every layer is there, the parts make the whole, queues and forks belong to the layer
they stand in."""

import numpy as np
import pytest

from fermatnet.bench.samples.queues import fork_and_join
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.hw.compiler import generate as network
from fermatnet.hw.layers import Fold
from fermatnet.hw.resources import Resources, predict
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Conv, Threshold


@pytest.fixture(scope="module")
def design():
    return network.plan(pa_resnet((2, 6, 6), (4, 8), (1, 1), seed=3), cycles=2500, device="xc7")


def test_the_parts_make_the_whole(design):
    """The same design counted at once: memories and multipliers exactly, the rest but for what layers share
    across their streams."""
    found = resources_layers.by_layer(design, "xc7")
    assert list(found) == [*(node.name for node in design.net.nodes), resources_layers.EDGE]
    parts, whole = resources_layers.total(found), predict(network.Top(design), "xc7")
    assert (parts.brams, parts.dsps) == (whole.brams, whole.dsps)
    assert (
        abs(parts.ffs - whole.ffs) <= 0.01 * whole.ffs and abs(parts.luts - whole.luts) <= 0.03 * whole.luts
    )


def test_queues_count_where_they_stand():
    net, folds = fork_and_join(2)
    with_queue = network.plan(net, folds=folds, device="xc7")
    before, after = with_queue.schedule.edges["add", 1].before, with_queue.schedule.edges["add", 1].after
    without = network.plan(net, folds=folds, device="xc7", depths={("add", 1): (before, 0)})
    assert after > 4
    one, other = (resources_layers.by_layer(design, "xc7") for design in (with_queue, without))
    assert one["add"].luts > other["add"].luts and one["add"].ffs > other["add"].ffs
    assert {name: one[name] for name in one if name != "add"} == {
        name: other[name] for name in other if name != "add"
    }


@pytest.mark.parametrize(
    ("layer", "one", "other"),
    [
        ("conv", {"dsps": 0}, {"dsps": 99}),  # the same fold multiplies in tables, or not
        ("act", {"simd": 4}, {"simd": 1}),  # four times as long between two beats: compared one by one
    ],
)
def test_what_is_known_of_another_design(layer, one, other):
    """A layer of the same fold and links is another one where its neighbours leave it something else."""
    rng = np.random.default_rng(2)
    kernel = rng.integers(-127, 128, (4, 4, 1, 1))
    limits = np.sort(rng.integers(-3000, 3000, (4, 15)), axis=1)
    nodes = [
        Conv("conv", ("image",), kernel, 8, engine="direct"),
        Threshold("act", ("conv",), limits, np.ones(4, np.int8)),
    ]
    net, known = Network(nodes, (4, 4, 4)), {}
    first, second = (
        network.plan(net, folds={"conv": Fold(1, goal.get("simd", 2))}, device="xc7", dsps=goal.get("dsps"))
        for goal in (one, other)
    )
    before = resources_layers.by_layer(first, "xc7", known=known)
    found = resources_layers.by_layer(second, "xc7", known=known)
    assert found == resources_layers.by_layer(second, "xc7") and found[layer] != before[layer]


def test_in_the_interface(design, tmp_path):
    described = network.generate(design.net, tmp_path / "out", cycles=2500, device="xc7", resources=True)
    rows = [layer["resources"] for layer in described["layers"]] + [described["resources"]["edge"]]
    assert described["resources"]["device"] == "xc7"
    for name in ("luts", "ffs", "brams", "dsps"):
        assert sum(row[name] for row in rows) == pytest.approx(
            described["resources"]["total"][name], abs=len(rows)
        )
    plain = network.generate(design.net, tmp_path / "plain", cycles=2500, device="xc7")
    assert "resources" not in plain and "resources" not in plain["layers"][0]
    assert (tmp_path / "out" / "fermatnet.v").read_bytes() == (
        tmp_path / "plain" / "fermatnet.v"
    ).read_bytes()


@pytest.mark.parametrize(
    "options, say",
    [
        ({"device": "gw1nr-9"}, "predicted for the families xc7, ecp5, ice40"),
        ({"reloadable": True}, "two banks"),
    ],
)
def test_refused_before_anything_is_written(design, tmp_path, options, say):
    with pytest.raises(InputError, match=say):
        network.generate(design.net, tmp_path / "out", cycles=2500, resources=True, **options)
    assert not list(tmp_path.iterdir())


def test_nothing_takes_nothing():
    assert (
        resources_layers.row(resources_layers.total({}))
        == {"luts": 0, "ffs": 0, "brams": 0.0, "dsps": 0}
        == resources_layers.row(Resources())
    )
