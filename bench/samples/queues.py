"""Forks that join again: computed queue depths, and what one place less costs, cycle by cycle in RTL."""

from typing import Any

import numpy as np

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.layers import Fold
from fermatnet.model.network import Network
from fermatnet.model.network import run as reference
from fermatnet.model.network.nodes import Add, Affine, Levels, PiecewiseConv, Threshold

__all__ = ["fork_and_join", "measured", "queue_row"]


def fork_and_join(depth: int) -> tuple[Network, dict[str, Fold]]:
    """A fork, ``depth`` convolutions that set the pace, and a join that waits for them."""
    rng = np.random.default_rng(depth)
    nodes: list[Any] = [
        Threshold("act", ("image",), np.sort(rng.integers(0, 256, (2, 3)), axis=1), np.ones(2, np.int8))
    ]
    x, levels_a = "act", np.array([0, 1, 3, 4])
    for k in range(depth):
        codes = rng.integers(0, 3, (2, 2, 3, 3)).astype(np.uint8)
        nodes.append(PiecewiseConv(f"conv{k}", (x,), codes, np.array([-2, 0, 2]), levels_a, pad=(1, 1, 1, 1)))
        x = f"conv{k}"
        if k < depth - 1:
            nodes.append(
                Threshold(
                    f"act{k}", (x,), np.sort(rng.integers(-20, 20, (2, 3)), axis=1), np.ones(2, np.int8)
                )
            )
            x = f"act{k}"
    nodes.append(Affine("scale", (x,), np.array([3, 5]), np.array([0, 4]), 2, -100, 100))
    nodes += [Levels("skip", ("act",), np.array([0, 10, 20, 30])), Add("add", ("scale", "skip"))]
    return Network(nodes, (2, 5, 6)), {f"conv{k}": Fold(1, 1) for k in range(depth)}


def measured(
    net: Network, folds: dict[str, Fold], depths: dict[tuple[str, int], tuple[int, int]] | None = None
) -> tuple[Design, int]:
    """The design and its cycles an image in RTL; AssertionError for wrong outputs or a deadlock."""
    design = plan(net, folds=folds, depths=depths)
    images = np.random.default_rng(1).integers(0, 256, (6, *net.input_shape)).astype(np.uint8)
    simulated = simulate_top(Top(design), images, limit=20_000)
    np.testing.assert_array_equal(simulated.outputs, reference(net, images))
    return design, simulated.ends[-1] - simulated.ends[-2]


def queue_row(depth: int) -> dict[str, Any]:
    """The queue on the bypass of ``depth`` convolutions: as computed, one place less, two places."""
    net, folds = fork_and_join(depth)
    design, cycles = measured(net, folds)
    edge = design.schedule.edges["add", 1]
    _, slower = measured(net, folds, {edge.key: (edge.before, edge.after - 1)})
    try:
        outcome = str(measured(net, folds, {edge.key: (0, 2)})[1])
    except AssertionError as error:
        outcome = str(error).splitlines()[0]
    return {
        "convolutions": depth,
        "queue": edge.after,
        "predicted": design.cycles_per_image,
        "cycles": cycles,
        "cycles_one_less": slower,
        "two_places": outcome,
    }
