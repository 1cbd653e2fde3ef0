"""Resource prediction: the graph's gates against truth tables, known covers, memories and multipliers by rule, one block against yosys."""

import itertools
import time

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from fermatnet.bench.prediction_layers import cases
from fermatnet.bench.random_networks import random_network
from fermatnet.hw import verilog
from fermatnet.hw.depthwise import DepthwiseArray
from fermatnet.hw.layers import layer_of
from fermatnet.hw.piecewise.popcount import Popcount
from fermatnet.hw.resources import lut_cost, predict
from fermatnet.hw.resources_graph import Graph
from fermatnet.hw.resources_memory import kept
from fermatnet.hw.resources_netlist import Store
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.join import Adder
from fermatnet.model.errors import InputError

GATES = {
    "conj": lambda a, b: a & b, "disj": lambda a, b: a | b, "differ": lambda a, b: a ^ b,
    "choose": lambda a, b, c: b if a else c, "parity": lambda a, b, c: a ^ b ^ c, "majority": lambda a, b, c: int(a + b + c > 1),
}


def value(graph, literal, leaves):
    """Evaluates a literal through the gates that the graph keeps."""
    node, inverted = literal >> 1, literal & 1
    if node == 0 or node in leaves:
        return leaves.get(node, 0) ^ inverted
    kind, *inputs = next(key for key, made in graph.known.items() if made == literal & ~1)
    bits = [value(graph, one, leaves) for one in inputs]
    return {"and": GATES["conj"], "xor": GATES["differ"], "mux": GATES["choose"]}[kind](*bits) ^ inverted


@pytest.mark.parametrize("name", GATES)
def test_gates_keep_their_function_whatever_is_simplified(name):
    """All choices of constants, equal, inverted and separate inputs, on all values."""
    count = GATES[name].__code__.co_argcount
    graph = Graph()
    a, b, c = (graph.leaf() for _ in range(3))
    for inputs in itertools.product((0, 1, a, a ^ 1, b, b ^ 1, c), repeat=count):
        literal = getattr(graph, name)(*inputs)
        for bits in itertools.product((0, 1), repeat=3):
            leaves = {a >> 1: bits[0], b >> 1: bits[1], c >> 1: bits[2]}
            expected = GATES[name](*(value(graph, one, leaves) for one in inputs))
            assert value(graph, literal, leaves) == expected, inputs


@pytest.mark.parametrize(("inputs", "k", "tables"), [(6, 6, 1), (7, 6, 2), (11, 6, 2), (12, 6, 3), (4, 4, 1), (10, 4, 3)])
def test_cover_of_a_wide_gate(inputs, k, tables):
    """n inputs need ceil((n - 1) / (k - 1)) tables; wires and inverters none."""
    graph = Graph()
    leaves = [graph.leaf() for _ in range(inputs)]
    assert graph.cover([graph.all_of(leaves)], k) == tables
    assert graph.cover([leaves[0], leaves[1] ^ 1, 0, 1], k) == 0


def test_shared_logic_is_counted_once():
    graph = Graph()
    a = [graph.leaf() for _ in range(8)]
    both = graph.all_of(a[:6])
    assert graph.cover([graph.differ(both, a[6]), graph.differ(both, a[7]), both], 6) == 3
    assert graph.cover([graph.differ(both, a[6]), graph.differ(both, a[6])], 6) == 2


def test_registers_and_tables_by_hand():
    """A residual add of 4 lanes: 12 + 10 bits in, 13 bits of sum; registers at both inputs and the output, one table a bit of the sum."""
    block = Adder(signed(12), signed(10), lanes=4, shape=signed(13))
    guess = predict(block, "xc7")
    assert abs(guess.luts - 52) < 5 and guess.brams == guess.dsps == 0
    verilog.emit(block, "block")


def test_memories_by_price():
    rng = np.random.default_rng(0)

    def rom(words, width):
        return Store(words, width, tuple(int(w) for w in rng.integers(0, 1 << width, words)), True)

    assert kept(rom(64, 30), "xc7") == (30.0, 30.0, 0.0, "tables")          # one table a bit
    assert kept(rom(128, 30), "xc7")[0] == 60.0
    assert kept(rom(1024, 16), "xc7")[2:] == (0.5, "block")
    assert kept(rom(64, 30), "ecp5")[2:] == (1.0, "block")
    assert kept(Store(8, 24, None, False), "xc7") == (16.0, 0.0, 0.0, "distributed")
    assert kept(Store(1024, 32, None, True), "xc7")[2:] == (1.0, "block")
    assert kept(Store(64, 20, (5,) * 64, True), "xc7")[:2] == (0.0, 0.0)    # constant columns cost nothing


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_multipliers_and_counters(family):
    weight = np.array([[-100, 50, 7, 90]] * 6)
    guess = predict(DepthwiseArray(weight, unsigned(8), lanes=3), family)
    assert guess.dsps == 3
    assert predict(Popcount(72, target={"xc7": "lut6", "ecp5": "ecp5"}[family]), family).luts == Popcount(
        72, target={"xc7": "lut6", "ecp5": "ecp5"}[family]).tree.plan.cost


def test_against_yosys(tmp_path):
    """A queue: within a tenth and two tables, registers exactly."""
    from fermatnet.synth.flow import cells

    block = Fifo(data.ArrayLayout(unsigned(12), 2), 500)
    verilog.emit(block, "block", tmp_path)
    found, guess = cells(tmp_path / "block.v", "block", "xc7"), predict(block, "xc7")
    assert abs(guess.luts - found["luts"]) <= 2 + found["luts"] / 10
    assert (guess.ffs, guess.brams, guess.dsps) == (found["ffs"], found["brams"], found["dsps"])


def test_unknown_family():
    with pytest.raises(InputError, match="xc7 and ecp5"):
        predict(Fifo(unsigned(3), 4), "ice40")


def test_cost_of_folds_is_quick_and_grows_with_parallelism():
    started, many = time.process_time(), 0
    for seed in range(6):
        net = random_network(seed)
        for node in net.nodes:
            layer = layer_of(net, node)
            costs = [lut_cost(layer, fold) for fold in layer.folds()]
            many += len(costs)
            assert min(costs) > 0 and lut_cost(layer, layer.folds()[-1]) >= lut_cost(layer, layer.folds()[0]) * 0.5
    assert time.process_time() - started < 10, many


def test_cases_are_disjoint_and_many():
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names) and sum(not case.fitted for case in cases()) >= 12
