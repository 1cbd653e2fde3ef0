"""The graph of gates against truth tables, and known covers."""

import itertools

import pytest

from fermatnet.hw.resources.graph import Graph

GATES = {
    "conj": lambda a, b: a & b,
    "disj": lambda a, b: a | b,
    "differ": lambda a, b: a ^ b,
    "choose": lambda a, b, c: b if a else c,
    "parity": lambda a, b, c: a ^ b ^ c,
    "majority": lambda a, b, c: int(a + b + c > 1),
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


@pytest.mark.parametrize(
    ("inputs", "k", "tables"), [(6, 6, 1), (7, 6, 2), (11, 6, 2), (12, 6, 3), (4, 4, 1), (10, 4, 3)]
)
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
