"""The chooser against brute force over every combination of folds."""

import itertools

import numpy as np
import pytest

from fermatnet.bench.samples.networks import random_network
from fermatnet.hw.compiler import folding
from fermatnet.hw.layers import Fold, layer_of
from fermatnet.model.errors import InputError


def layers_of(seed):
    net = random_network(seed)
    layers = {node.name: layer_of(net, node) for node in net.nodes}
    combinations = 1
    for layer in layers.values():
        combinations *= len(layer.folds())
    return layers, combinations


def brute(layers):
    """Every (cycles, cost) that folds can give."""
    names = list(layers)
    costs = [[(layer.cycles(fold), layer.cost(fold)) for fold in layer.folds()] for layer in layers.values()]
    points = []
    for combination in itertools.product(*costs):
        points.append((max(c for c, _ in combination), sum(cost for _, cost in combination)))
    assert len(names) == len(costs)
    return points


SEEDS = [seed for seed in range(40) if 1 < layers_of(seed)[1] <= 3000][:8]


@pytest.mark.parametrize("seed", SEEDS)
def test_cheapest_for_cycles_and_fastest_for_luts(seed):
    layers, _ = layers_of(seed)
    points = brute(layers)
    cycles = sorted({c for c, _ in points})
    for target in cycles[:: max(1, len(cycles) // 5)]:
        best = min(cost for c, cost in points if c <= target)
        folds = folding.fold_for_cycles(layers, target)
        assert max(layers[n].cycles(f) for n, f in folds.items()) <= target
        assert folding.total_cost(layers, folds) == pytest.approx(best)
    costs = [cost for _, cost in points]
    for budget in np.linspace(min(costs), max(costs), 5):
        best = min(c for c, cost in points if cost <= budget + 1e-9)
        folds = folding.fold_for_luts(layers, budget + 1e-9)
        assert folding.total_cost(layers, folds) <= budget + 1e-6
        assert max(layers[n].cycles(f) for n, f in folds.items()) == best
    with pytest.raises(InputError, match="cannot be met"):
        folding.fold_for_cycles(layers, cycles[0] - 1)
    with pytest.raises(InputError, match="smallest network"):
        folding.fold_for_luts(layers, min(costs) - 1)


def test_folds_by_hand_are_checked():
    layers, _ = layers_of(0)
    name = next(n for n, layer in layers.items() if len(layer.folds()) > 1)
    assert folding.check_folds(layers, {})[name] in layers[name].folds()
    with pytest.raises(InputError, match="does not divide"):
        folding.check_folds(layers, {name: Fold(77, 77)})
