"""A hundred mutated QONNX files: each refused by name or equal to the file's executor; and the bench sees a
check that is dropped."""

from collections import Counter

import numpy as np
import pytest

from fermatnet.bench.exchange.graphs import GRAPHS, graph
from fermatnet.bench.exchange.mutants import main, mutants, verdict
from fermatnet.model.exchange import arguments
from fermatnet.model.exchange.qonnx import graph as import_graph
from fermatnet.model.exchange.qonnx import products


def tally(count, seed, folder):
    found = [(what, *verdict(model, folder)) for what, model in mutants(count, seed)]
    return Counter(kind for _, kind, _ in found), [item for item in found if item[1] == "wrong"]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_graphs_themselves_are_imported(name, tmp_path):
    for seed in range(3):
        assert verdict(graph(name, seed), tmp_path)[0] == "equal"


def test_a_hundred_mutants(tmp_path):
    counts, wrong = tally(100, 20, tmp_path)
    assert not wrong
    assert counts["equal"] >= 20 and counts["refused"] >= 40


def loose_column(g, node, x, value, what):
    flat = np.asarray(value, np.float64).ravel()
    return np.resize(
        flat[:1] if (flat == flat[0]).all() else flat, (1, 1 if (flat == flat[0]).all() else len(x.scale), 1)
    )


def loose_scale(node, weights):
    return np.resize(np.asarray(weights.scale, np.float64).ravel(), len(weights.integers))


DROPPED = {
    "axes of constants": (import_graph.Graph, "column", loose_column),
    "axes of weight scales": (products, "_output_scale", loose_scale),
    "values of attributes": (arguments, "_accepted", lambda node, entry, name, given: None),
}


@pytest.mark.parametrize("name", DROPPED)
def test_a_dropped_check_is_seen(name, tmp_path, monkeypatch):
    where, function, loose = DROPPED[name]
    monkeypatch.setattr(where, function, loose)
    for start in range(8):  # as few as it takes
        if tally(60, 100 + start, tmp_path)[1]:
            return
    pytest.fail("no mutant noticed")


def test_the_command(capsys):
    assert main(["--count", "8", "--seed", "5", "--show"]) == 0
    assert "8 mutants of seed 5:" in capsys.readouterr().out
