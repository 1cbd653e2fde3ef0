"""Random residual networks: reference == onnxruntime == RTL under random stalls, cycles as predicted; a
failing one shrinks."""

import os
from collections import Counter

import pytest

from fermatnet.bench.samples.check import check_seed, shrunk
from fermatnet.bench.samples.networks import Choices, build, drawn
from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.bench.samples.shrink import shrink

CHUNK, MOST_CYCLES = 15, 160
NETWORKS = 210 if os.environ.get("FERMATNET_LONG_TESTS") else 105


@pytest.mark.parametrize("first", range(0, NETWORKS, CHUNK))
def test_reference_is_onnxruntime_is_rtl(first):
    """Seeds first .. first + CHUNK - 1 (the same networks every time)."""
    pytest.importorskip("onnxruntime")
    for seed in range(first, first + CHUNK):
        outcome, row = check_seed(seed, MOST_CYCLES)
        if outcome.problem:
            small, choices = shrunk(row, seed, MOST_CYCLES)
            pytest.fail(
                f"seed {seed}: {outcome.problem}; shrunk to {' '.join(small.layers)} ({small.problem}) by "
                f"check(build(choices := Choices(given={choices}), {seed}), choices, {seed}, {MOST_CYCLES})"
            )


def test_the_networks_hold_everything():
    """All kinds of layers, residual adds by the dozen, all numbers of pieces, strides, groups, depthwise,
    both engines."""
    kinds, seen = Counter(), set()
    for seed in range(NETWORKS):
        net, _ = drawn(seed)
        kinds.update({type(node).__name__ for node in net.nodes})
        for node in net.nodes:
            if hasattr(node, "levels_w"):
                seen |= {
                    ("M", len(node.levels_w) - 1),
                    ("N", len(node.levels_a) - 1),
                    ("stride", max(node.stride)),
                    ("grouped", node.group > 1),
                    ("dilated", max(node.dilation) > 1),
                    ("depthwise", node.group == node.codes.shape[0] > 1),
                }
            seen.add(("engine", getattr(node, "engine", "")))
    assert set(kinds) == {
        "Conv",
        "PiecewiseConv",
        "Threshold",
        "Affine",
        "Levels",
        "LogicJoin",
        "MaxPool",
        "SumPool",
        "Add",
        "Concat",
        "Dense",
        "ArgMax",
    }
    assert kinds["Add"] >= 30 and min(kinds.values()) >= 7
    assert seen >= {
        ("M", 2),
        ("M", 4),
        ("M", 6),
        ("N", 1),
        ("N", 3),
        ("N", 5),
        ("N", 7),
        ("stride", 2),
        ("grouped", True),
        ("dilated", True),
        ("depthwise", True),
        ("engine", "fermat"),
        ("engine", "direct"),
    }


def test_choices_make_the_same_network_again():
    net, choices = drawn(11)
    again = Choices(given=choices.taken)
    assert [type(node) for node in build(again, 11).nodes] == [
        type(node) for node in net.nodes
    ] and again.taken == choices.taken


def test_shrinking_finds_the_simplest_row():
    small = shrink([5, 9, 7, 3, 8], lambda row: sum(row) >= 10)
    assert len(small) == 2 and sum(small) == 10
    assert shrink([4, 1, 6], lambda row: len(row) == 3, tries=100) == [0, 0, 0]


def test_a_fault_is_found_and_shrinks():
    """RTL whose outputs go wrong by one as soon as there is an Add: the smallest network with an Add is
    left."""

    def faulty(top, images, **options):
        result = simulate_top(top, images, **options)
        if any(type(node).__name__ == "Add" for node in top.design.net.nodes):
            result.outputs[-1, -1] += 1
        return result

    seed = next(
        seed
        for seed in range(50)
        if any(type(node).__name__ == "Add" for node in drawn(seed)[0].nodes)
        and len(drawn(seed)[0].nodes) > 9
    )
    outcome, row = check_seed(seed, 50, faulty)
    assert outcome.problem == "RTL and reference differ"
    small, _ = shrunk(row, seed, 50, faulty, tries=40)
    assert (
        small.problem == outcome.problem and "Add" in small.layers and len(small.layers) < len(outcome.layers)
    )


def test_a_wrong_prediction_is_found():
    def late(top, images, **options):
        result = simulate_top(top, images, **options)
        return type(result)(result.outputs, 0, result.latency, [end + k for k, end in enumerate(result.ends)])

    outcome, _ = check_seed(5, 160, late)
    assert "predicted" in outcome.problem
