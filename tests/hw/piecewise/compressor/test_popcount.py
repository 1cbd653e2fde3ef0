"""Popcounts and compressor trees: composition proved, values by simulation, cost and depth by target."""

import random

import pytest
from amaranth.sim import Simulator

from fermatnet.hw.piecewise.compressor.heap import Compressor
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.compressor.search import depth, pareto, plan
from fermatnet.model.errors import InputError

TARGETS = ("generic", "lut6", "ecp5", "asic")
GATE = {
    "and": lambda a, b: a & b,
    "nand": lambda a, b: 1 - (a & b),
    "xor": lambda a, b: a ^ b,
    "xnor": lambda a, b: 1 - (a ^ b),
}


def simulate(block, vectors, ports):
    """Results of setting ``ports`` to each vector, ``block.latency`` cycles later when the block has
    registers."""
    results = []

    async def bench(ctx):
        if block.latency:
            ctx.set(block.en, 1)
        for k in range(len(vectors) + block.latency):
            for port, value in zip(ports, vectors[min(k, len(vectors) - 1)], strict=True):
                ctx.set(getattr(block, port), value)
            if block.latency:
                results.append(ctx.get(block.o))
                await ctx.tick()
            else:
                await ctx.delay(1e-9)
                results.append(ctx.get(block.o))

    sim = Simulator(block)
    if block.latency:
        sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return results[block.latency :]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_exhaustive_when_narrow(target, width):
    vectors = [(a, b) for a in range(1 << width) for b in range(1 << width)]
    for gate in ("and", "xnor") if target != "ecp5" else ("and",):
        expected = [sum(GATE[gate](a >> k & 1, b >> k & 1) for k in range(width)) for a, b in vectors]
        assert simulate(Popcount(width, target=target, gate=gate), vectors, ("a", "b")) == expected


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("width", "pipeline"), [(5, 1), (17, 0), (72, 0), (72, 3), (100, 12)])
def test_random_corners_and_latency(target, width, pipeline):
    rng = random.Random(width)
    ones = (1 << width) - 1
    vectors = [(0, 0), (ones, ones), (ones, 0), *((ones, 1 << k) for k in range(width))]
    vectors += [(rng.getrandbits(width), rng.getrandbits(width)) for _ in range(60)]
    vectors += [(ones ^ (1 << rng.randrange(width)), ones) for _ in range(20)]
    block = Popcount(width, target=target, pipeline=pipeline)
    assert block.latency == pipeline
    assert simulate(block, vectors, ("a", "b")) == [(a & b).bit_count() for a, b in vectors]


@pytest.mark.parametrize("target", ["lut6", "ecp5", "asic"])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 24, 72, 129, 256])
def test_plans_compose(target, n):
    """Applied to tokens, a plan takes each term once, from its own column, and leaves one bit a column: with
    exact counters the weighted sum is conserved, so the tree is exact for all inputs."""
    width = n.bit_length()
    made = plan(target, (n,) + (0,) * (width - 1), (0,) * width)
    pairs, bits = n, [0] * width
    for column, counter in made.steps:
        assert not counter.pairs or column == 0
        pairs -= counter.pairs
        for j, count in enumerate(counter.bits):
            if count:
                bits[column + j] -= count
        assert pairs >= 0 and min(bits) >= 0
        for j in range(min(counter.outputs, width - column)):
            bits[column + j] += 1
    assert pairs == 0 and max(bits) <= 1


@pytest.mark.parametrize("target", TARGETS)
def test_mixed_columns_and_gates(target):
    """Several columns of mixed pairs and bits, the sum taken modulo 2^width."""
    pairs = [("and", "nand"), ("and",) * 5, (), ("nand", "and", "and", "nand")]
    bits, width = [3, 0, 7, 2], 6
    rng = random.Random(3)
    block = Compressor(pairs, bits, width, target=target)
    vectors = [tuple(rng.getrandbits(n) for n in (11, 11, 12)) for _ in range(200)]
    expected = []
    for a, b, x in vectors:
        total, at = 0, 0
        for c, gates in enumerate(pairs):
            for gate in gates:
                total += GATE[gate](a >> at & 1, b >> at & 1) << c
                at += 1
        at = 0
        for c, count in enumerate(bits):
            for _ in range(count):
                total += (x >> at & 1) << c
                at += 1
        expected.append(total % (1 << width))
    assert simulate(block, vectors, ("a", "b", "x")) == expected


def test_cost_stays_where_it_was_measured():
    """LUT cells an AND: a worse plan would show here before it shows in synthesis."""
    assert Popcount(72).tree.plan.cost <= 69 and Popcount(256).tree.plan.cost <= 250
    assert Popcount(64, target="ecp5").tree.plan.cost <= 132


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"width": 0}, "at least 1"),
        ({"width": 4, "target": "lut5"}, "one of generic, lut6"),
        ({"width": 4, "pipeline": -1}, "not be negative"),
        ({"width": 4, "gate": "nor"}, "gates be and"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(InputError, match=words):
        Popcount(**arguments)


def heaps(rng):
    """Heights of random level sets: a few columns of pairs and bits, results cut at a random width."""
    columns = rng.randint(1, 9)
    pairs = tuple(rng.choice([0, 0, rng.randint(0, 12)]) for _ in range(columns))
    bits = tuple(rng.choice([0, rng.randint(0, 3), rng.randint(0, 20)]) for _ in range(columns))
    return pairs, bits


@pytest.mark.parametrize("target", ["lut6", "ecp5", "asic"])
def test_every_heap_has_a_plan(target):
    """Whatever the heights, and where the sum is cut: the plan's counters leave one bit a column, modulo
    2^width."""
    rng = random.Random(11)
    for _ in range(150):
        pairs, bits = heaps(rng)
        made = plan(target, pairs, bits)
        assert made is not None, (pairs, bits)
        left, height = list(pairs), list(bits)
        for column, counter in made.steps:
            left[column] -= counter.pairs
            for j, count in enumerate(counter.bits):
                if count:
                    height[column + j] -= count
            assert left[column] >= 0 and min(height) >= 0
            for j in range(min(counter.outputs, len(height) - column)):
                height[column + j] += 1
        assert not any(left) and max(height) <= 1


def random_sums(target, pairs, bits, seed):
    """The compressor's results on random terms, and the sums as Python adds them."""
    rng = random.Random(seed)
    block = Compressor([("and",) * n for n in pairs], bits, len(bits), target=target)
    ports = [("a", sum(pairs)), ("b", sum(pairs)), ("x", sum(bits))]
    ports = [(name, width) for name, width in ports if width]
    vectors = [tuple(rng.getrandbits(width) for _, width in ports) for _ in range(40)]
    expected = []
    for vector in vectors:
        given, total, at = dict(zip((name for name, _ in ports), vector, strict=True)), 0, 0
        both = given.get("a", 0) & given.get("b", 0)
        for c, count in enumerate(pairs):
            total += ((both >> at) & ((1 << count) - 1)).bit_count() << c
            at += count
        at = 0
        for c, count in enumerate(bits):
            total += ((given.get("x", 0) >> at) & ((1 << count) - 1)).bit_count() << c
            at += count
        expected.append(total % (1 << len(bits)))
    return block, simulate(block, vectors, [name for name, _ in ports]), expected


# Sums cut below their carries: before half adders were counters too, no plan existed for the first two, and
# the third one's search ended dry.
CUT = [((0, 3), (2, 2)), ((2, 0, 5, 0), (0, 0, 3, 2)), ((4, 0, 4, 0, 4, 0), (3, 3, 3, 3, 3, 3))]


@pytest.mark.parametrize("target", ["lut6", "ecp5", "asic"])
@pytest.mark.parametrize(("pairs", "bits"), CUT)
def test_sums_cut_at_the_top(target, pairs, bits):
    block, found, expected = random_sums(target, pairs, bits, 3)
    assert block.plan is not None and found == expected


@pytest.mark.parametrize("target", ["lut6", "ecp5"])
def test_without_a_plan_it_is_plain_additions(target, monkeypatch):
    """Should a search ever find none, the sum is still exact."""
    monkeypatch.setattr("fermatnet.hw.piecewise.compressor.heap.plan", lambda *_: None)
    for pairs, bits in CUT:
        block, found, expected = random_sums(target, pairs, bits, 5)
        assert block.plan is None and found == expected


@pytest.mark.parametrize(("target", "n"), [("lut6", 16), ("lut6", 40), ("ecp5", 16)])
def test_shallower_trees_cost_more(target, n):
    """Each row of the table is a plan of that depth, and no deeper one is dearer."""
    heap = (n,) + (0,) * (n.bit_length() - 1), (0,) * n.bit_length()
    rows = pareto(target, *heap)
    assert [depth(made, heap[1]) for _, made in rows] == [deep for deep, _ in rows]
    costs = [made.cost for _, made in rows]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == len(costs)
    assert costs[-1] == plan(target, *heap).cost
    assert plan(target, *heap, 1) is None


def test_a_long_chain_adds_what_is_left():
    """Two words are one chain, the cheapest and the shallowest way."""
    for target, cost in (("ecp5", 10), ("lut6", 8)):
        made = plan(target, (0,) * 9, (2,) * 8 + (0,))
        assert len(made.steps) == 1 and made.cost == cost
