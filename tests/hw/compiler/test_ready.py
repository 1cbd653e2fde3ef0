"""Queues that cut ready: where, how many, by the clock, and predicted like all others."""

import numpy as np
import pytest

from fermatnet.bench.samples.queues import fork_and_join
from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.hw.compiler import edges
from fermatnet.hw.compiler.edges import CUT, WIDE
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.layers import Fold
from fermatnet.hw.layers.windowed import array_of
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Add, Affine, Conv, PiecewiseConv, Threshold


def chain(length):
    """So many fixed-point scales, one after the other."""
    factors = np.array([3, -5]), np.array([7, 100])
    inputs = ["image", *(f"scale{k}" for k in range(length - 1))]
    nodes = [Affine(f"scale{k}", (name,), *factors, 2, -128, 127) for k, name in enumerate(inputs)]
    return Network(nodes, (2, 3, 4))


def cuts(design):
    return [edge.producer for edge in design.schedule.edges.values() if edge.before]


@pytest.mark.parametrize("mhz", [50, 100, 250])
def test_no_chain_is_longer_than_the_clock_allows(mhz):
    design = plan(chain(9), clock_mhz=mhz)
    clock = design.layers["scale0"].clock
    most = max(2, int(clock.budget // clock.table()) - 2)
    most = 0 if most == 2 else most  # where there is time for no more every edge is cut
    places = [-1 if name == "image" else int(name.removeprefix("scale")) for name in cuts(design)]
    # ready comes through so many blocks to one more
    assert max(np.diff([-1, *places, 8])) == min(9, most + 1)
    assert len(places) == 9 // (most + 1)  # and no cut more than needed
    assert {design.schedule.edges[f"scale{k + 1}", 0].before for k in places} <= {CUT}


def test_behind_a_join_and_not_at_its_inputs():
    net, folds = fork_and_join(1)
    ones = np.ones(2, int)
    longer = [Affine(f"more{k}", (f"more{k - 1}" if k else "add",), ones, ones, 1, -9, 9) for k in range(3)]
    design = plan(Network([*net.nodes, *longer], net.input_shape), folds=folds, clock_mhz=120)
    assert "add" in cuts(design)
    assert not any(design.schedule.edges["add", side].before for side in (0, 1))


def residual(pieces: int) -> Network:
    """A scale that thresholds and a sum read, a convolution of pieces between them."""
    rng, ones = np.random.default_rng(6), np.ones(2, int)
    limits = np.sort(rng.integers(-20, 20, (2, pieces)), axis=1)
    codes = rng.integers(0, 3, (2, 2, 3, 3)).astype(np.uint8)
    nodes = [
        Conv("conv", ("image",), rng.integers(-7, 8, (2, 2, 3, 3)), pad=(1, 1, 1, 1)),
        Affine("norm", ("conv",), 3 * ones, ones, 6, -99, 99),
        Threshold("act", ("norm",), limits, np.ones(2, np.int8)),
        PiecewiseConv(
            "conv2", ("act",), codes, np.array([-1, 0, 1]), np.arange(pieces + 1), pad=(1, 1, 1, 1)
        ),
        Affine("norm2", ("conv2",), 5 * ones, ones, 1, -99, 99),
        Add("add", ("norm", "norm2")),
    ]
    return Network(nodes, (2, 5, 6))


@pytest.mark.parametrize(("mhz", "pieces", "cut"), [(50, 3, False), (150, 3, True), (150, 1, False)])
def test_every_edge_is_cut_at_a_tight_clock(mhz, pieces, cut):
    """A fork and the blocks on both sides of it, too, in front of conversions; but for a block behind
    credits, whose own ready is a register (a search may be serial, and is not)."""
    net = residual(pieces)
    design = plan(net, cycles=30 * 36, clock_mhz=mhz, device="ecp5-85k")
    assert (design.schedule.edges["act", 0].before == CUT) == cut
    images = np.random.default_rng(0).integers(0, 256, (5, *net.input_shape)).astype(np.uint8)
    result = simulate_top(Top(design), images, calm=3, limit=20_000)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    assert result.ends[2] - result.ends[1] == design.cycles_per_image


def test_what_is_cut_comes_when_predicted():
    net = chain(6)
    design = plan(net, clock_mhz=250)
    assert cuts(design)
    images = np.random.default_rng(0).integers(0, 256, (5, *net.input_shape)).astype(np.uint8)
    result = simulate_top(Top(design), images, calm=5, limit=2_000)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    assert result.latency == design.latency
    assert result.ends[-1] - result.ends[-2] == design.cycles_per_image


def converted(kernel, inputs, channels=8):
    """A wide result through fewer lanes into a window that takes a whole pixel a beat."""
    rng = np.random.default_rng(1)
    first, second = (rng.integers(-9, 10, (channels, side, kernel, kernel)) for side in (inputs, channels))
    pad = (1, 1, kernel - 2, kernel - 2)
    scale = Affine("scale", ("first",), np.full(channels, 3), np.full(channels, 5), 6, -64, 63)
    convolutions = [
        Conv(name, (before,), weight, 8, pad=pad, engine="direct")
        for name, before, weight in (("first", "image", first), ("second", "scale", second))
    ]
    return Network([convolutions[0], scale, convolutions[1]], (inputs, 5, 6))


@pytest.mark.parametrize(
    "kernel, inputs, simd, wide, rests, halves",
    [
        (3, 1, 8, WIDE, True, False),
        (3, 1, 1, WIDE, True, False),
        (2, 1, 8, WIDE, False, False),
        (3, 2, 1, 64, True, True),
        (3, 1, 1, 64, True, False),  # results come every nine cycles
    ],
)
def test_conversions_rest_where_there_is_time(monkeypatch, kernel, inputs, simd, wide, rests, halves):
    monkeypatch.setattr(edges, "WIDE", wide)
    net = converted(kernel, inputs)
    design = plan(net, folds={"first": Fold(8, 1), "second": Fold(8, simd)}, clock_mhz=250)
    edge = design.schedule.edges["scale", 0]
    assert edge.lanes_from > edge.lanes_to
    assert (edge.rests, edge.halves, edge.after) == (rests, halves, 0 if halves else CUT)
    assert array_of(design.components["first"]).rests == halves
    images = np.random.default_rng(0).integers(0, 256, (5, *net.input_shape)).astype(np.uint8)
    result = simulate_top(Top(design), images, calm=5, limit=20_000)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    assert result.latency == design.latency
    assert result.ends[-1] - result.ends[-2] == design.cycles_per_image
