"""Tables as yosys maps them to ecp5: counts that its synth_ecp5 gives for single functions, trees, truth
tables, timing through carry chains."""

import itertools

import pytest

from fermatnet.hw.resources.apart import apart
from fermatnet.hw.resources.balance import Balanced
from fermatnet.hw.resources.carry import Chain
from fermatnet.hw.resources.graph import Graph
from fermatnet.hw.resources.mapping import Mapping, wide_tables

# LUT4 that yosys 0.70's synth_ecp5 makes of a block with nothing but one and or xor of so many inputs
YOSYS = {4: 1, 5: 2, 6: 4, 7: 5, 8: 9, 9: 5, 10: 9, 12: 5}


@pytest.mark.parametrize("kind", ["conj", "differ"])
@pytest.mark.parametrize("inputs", YOSYS)
def test_one_function_as_yosys_maps_it(kind, inputs):
    """Alone it is the longest path: one wide table, or two that are as fast; written as a chain."""
    graph = Graph()
    result = graph.leaf()
    for _ in range(inputs - 1):
        result = getattr(graph, kind)(result, graph.leaf())
    assert abs(wide_tables(graph, [result]) - YOSYS[inputs]) <= (2 if inputs in (8, 10) else 1)


@pytest.mark.parametrize("ways, tables", [(2, 1), (4, 4)])
def test_multiplexers(ways, tables):
    graph = Graph()
    entries, address = (
        [graph.leaf() for _ in range(ways)],
        [graph.leaf() for _ in range(ways.bit_length() - 1)],
    )
    for select in address:
        entries = [graph.choose(select, entries[k + 1], entries[k]) for k in range(0, len(entries), 2)]
    assert wide_tables(graph, entries) == tables


def test_what_is_not_on_the_longest_path_is_small():
    """The same and of six inputs beside a longer path: two LUT4, not four."""

    def count(*widths):
        graph = Graph()
        return wide_tables(graph, [graph.all_of([graph.leaf() for _ in range(width)]) for width in widths])

    assert count(6) == 4 and count(6, 40) - count(40) == 2


def test_nothing_costs_nothing():
    graph = Graph()
    a = graph.leaf()
    assert wide_tables(graph, [a, a ^ 1, 0, 1]) == wide_tables(graph, []) == 0


def test_a_chain_takes_its_time():
    """A sum of eight bits: into the carry 516 ps, three cells along, 273 to the last sum; a table behind it
    441 more by its fastest pin."""
    graph, chain = Graph(), Chain()
    chain.extend_to(graph, [(graph.leaf(), graph.leaf()) for _ in range(8)])
    last, pins = chain.sums[-1], {literal >> 1 for pair in chain for literal in pair}
    assert Mapping(Balanced(graph, {*pins, last >> 1})).time == 516 + 43 + 43 + 273
    assert (
        Mapping(Balanced(graph, {*pins, graph.conj(last, graph.leaf()) >> 1})).time
        == 516 + 43 + 43 + 273 + 441
    )


def test_what_is_late_comes_last():
    """An and of thirty inputs, the late one written first: only one table's fastest pin after it."""
    graph, chain = Graph(), Chain()
    chain.extend_to(graph, [(graph.leaf(), graph.leaf()) for _ in range(60)])
    last, pins = chain.sums[-1], {literal >> 1 for pair in chain for literal in pair}
    every = graph.all_of([last, *(graph.leaf() for _ in range(29))])
    arrival = 516 + 29 * 43 - 43 + 273
    assert Mapping(Balanced(graph, {*pins, every >> 1})).time == arrival + 441


def test_a_longer_chain_keeps_what_it_has():
    graph, chain = Graph(), Chain()
    pairs = [(graph.leaf(), graph.leaf()) for _ in range(9)]
    chain.extend_to(graph, pairs[:5])
    first = list(chain.sums), list(chain.carries)
    chain.extend_to(graph, pairs)
    assert (chain.sums[:5], chain.carries[:3]) == first and (
        len(chain),
        len(chain.sums),
        len(chain.carries),
    ) == (9, 9, 5)
    assert list(chain) == pairs and len(set(chain.sums + chain.carries)) == 14


def test_trees_are_balanced_and_mean_the_same():
    """A chain of ands and one of xors over six inputs, three of them inverted, against python's on all
    values."""
    graph = Graph()
    leaves = [graph.leaf() for _ in range(6)]
    every = graph.all_of(literal ^ (k % 2) for k, literal in enumerate(leaves))
    odd = leaves[0]
    for k, literal in enumerate(leaves[1:], 1):
        odd = graph.differ(odd, literal ^ (k % 2))
    gates = Balanced(graph, {every >> 1, odd >> 1, graph.choose(leaves[0], every, odd) >> 1})
    assert len(gates.roots) == 3
    below = [node for node, fanins in enumerate(gates.fanins) if not fanins][-6:]
    tables = [gates.function(node, below) for node in gates.roots]
    for place, bits in enumerate(itertools.product((0, 1), repeat=6)):
        # differ keeps inversions out of the gate
        conj, parity = all(bit ^ (k % 2) for k, bit in enumerate(bits)), sum(bits) % 2
        assert (tables[0] >> place & 1, tables[1] >> place & 1) == (conj, parity)


def test_apart():
    """Seven inputs, eight LUT4 at once: 2 where three late ones meet one bit of the others, where there is
    time for it."""

    def table(make):
        return sum(
            int(make(*bits)) << place for place, bits in enumerate(itertools.product((0, 1), repeat=7))
        )

    every = table(lambda *bits: all(bits))
    late = [3000, 3000, 3000, 0, 0, 0, 0]
    assert apart(every, late, 5000) == 2
    assert apart(every, [3000] * 7, 3759) == 8
    ruled = table(lambda s, a, b, c, d, e, f: (a and b and c) if s else (d or e or f))
    assert apart(ruled, [3000] + [0] * 6, 3441) == 3
    assert apart(ruled, [3000] + [0] * 6, 3440) == 8
