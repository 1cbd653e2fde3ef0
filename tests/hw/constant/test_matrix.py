"""Constant matrices against Python's integers: every small input, random and extreme ones, every target."""

import itertools

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Signal
from amaranth.lib.wiring import Component, In, Out
from amaranth.sim import Simulator

from fermatnet.hw.constant.core import MatrixCore
from fermatnet.hw.constant.graph import Term
from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.constant.plan import plan_matrix
from fermatnet.hw.constant.sharing import share
from fermatnet.hw.resources import predict
from fermatnet.hw.rtl import verilog
from fermatnet.model.errors import InputError
from fermatnet.synth.flow import cells

TARGETS = ["lut6", "ecp5", "asic", "generic"]


def product(weight, bias, x) -> np.ndarray:
    """In Python's integers, without numpy's products."""
    rows = [[sum(int(w) * int(v) for w, v in zip(row, one, strict=True)) for row in weight] for one in x]
    return np.array(rows, object) + np.array(list(bias) or [0] * len(weight), object)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize(("top", "bits", "stages"), [(1, 1, 1), (7, 4, 3), (127, 8, 2)])
def test_equals_integers(target, is_signed, top, bits, stages, drive):
    rng = np.random.default_rng(top + 2 * is_signed)
    weight = rng.integers(-top - 1, top + 1, (5, 7))
    weight[1], weight[2, 3:] = 0, 0
    weight[3] = -weight[4]
    bias = rng.integers(-300, 300, 5) if bits == 4 else []
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    x = rng.integers(low, high + 1, (16, 7))
    x[0], x[1], x[2], x[3] = low, high, np.where(weight[0] > 0, high, low), np.where(weight[0] > 0, low, high)

    def check(seed):
        block = ConstantMatrix(weight, bias, Shape(bits, is_signed), target=target, stages=stages)
        run = drive(block, x, len(x), seed)
        assert (run.beats == product(weight, bias, x)).all()
        return block, run

    check(5)
    block, run = check(None)
    assert run.produced[0] - run.accepted[0] == block.latency == stages
    assert np.all(np.diff(run.produced) == block.cycles)


class _Core(Component):
    """The sums alone, without registers: results side by side."""

    def __init__(self, plan, shape):
        self.plan, self.shape = plan, shape
        super().__init__({"x": In(shape.width * plan.graph.inputs), "o": Out(32 * len(plan.ranges))})

    def elaborate(self, platform):
        m = Module()
        parts = [self.x.word_select(k, self.shape.width) for k in range(self.plan.graph.inputs)]
        parts = [part.as_signed() if self.shape.signed else part for part in parts]
        core = MatrixCore(m, platform, self.plan, parts, [])
        for k, (result, (low, high)) in enumerate(zip(core.results, self.plan.ranges, strict=True)):
            value = Signal(Shape(max(abs(low), high, 1).bit_length() + 1, low < 0))
            if low < 0 and len(result) < len(value) and not result.shape().signed:
                result = result.as_signed()
            wide = Signal(32)
            m.d.comb += [value.eq(result), wide.eq(value), self.o.word_select(k, 32).eq(wide)]
        return m


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("is_signed", [False, True])
def test_every_input_of_a_small_matrix(target, is_signed):
    weight, bias = np.array([[3, -5, 7], [-3, 6, 1], [11, -5, -7], [0, 0, -1]]), [0, -9, 4, 0]
    low, high = (-4, 3) if is_signed else (0, 7)
    plan = plan_matrix(weight, bias, [low] * 3, [high] * 3, target)
    block, wrong = _Core(plan, Shape(3, is_signed)), []

    async def bench(ctx):
        for x in itertools.product(range(low, high + 1), repeat=3):
            ctx.set(block.x, sum((v & 7) << 3 * k for k, v in enumerate(x)))
            word = ctx.get(block.o)
            found = [word >> 32 * k & 0xFFFFFFFF for k in range(len(weight))]
            wanted = product(weight, bias, [x])[0]
            wrong.extend(x for a, b in zip(found, wanted, strict=True) if a != b & 0xFFFFFFFF)

    sim = Simulator(block)
    sim.add_testbench(bench)
    sim.run()
    assert not wrong


def test_shared_sums_are_formed_once():
    """Three outputs with the same sum, shifted and subtracted."""
    weight = np.array([[1, 1, 0], [4, 4, 1], [-2, -2, 0]])
    graph = share(weight, np.zeros(3), np.full(3, 15), price=1.0)
    (word,) = graph.sums
    assert word.parts == (Term(0, 0, 1), Term(1, 0, 1)) and (word.low, word.high) == (0, 30)
    assert [terms[-1] for terms in graph.outputs] == [Term(3, 0, 1), Term(3, 2, 1), Term(3, 1, -1)]


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("offset", [False, True])
def test_the_graph_is_the_matrix(near, offset):
    rng = np.random.default_rng(8)
    weight = rng.integers(-128, 128, (12, 30))
    low, high = rng.integers(-9, 1, 30), rng.integers(0, 30, 30)
    graph = share(weight, low, high, price=0.7, near=near, offset=offset)
    assert np.array_equal(graph.matrix(), weight)
    assert max(word.depth for word in graph.words) <= 3
    for word in graph.sums:
        ends = np.stack([word.weights * low, word.weights * high])
        assert (word.low, word.high) == (ends.min(axis=0).sum(), ends.max(axis=0).sum())
        assert 0 <= word.low - word.base or not offset


def test_sharing_and_heaps_pay():
    """A 32x32 matrix of 4-bit weights: fewer tables than adders alone, and than heaps alone."""
    weight = np.random.default_rng(1).integers(-7, 8, (32, 32))
    heaps = plan_matrix(weight, [0] * 32, [0] * 32, [15] * 32, "lut6")
    adders = plan_matrix(weight, [0] * 32, [0] * 32, [15] * 32, "generic")
    alone = share(weight, np.zeros(32), np.full(32, 15), price=0.0)
    assert not alone.sums and heaps.graph.bits < 0.7 * alone.bits
    assert heaps.cost < 2950 < adders.cost


def test_adders_of_ecp5_stay_whole(tmp_path):
    """yosys takes the carry chains that the plan and the prediction count, and no table: it is told to keep
    words, else it adds several up at once by carry-save adders of tables."""
    weight = np.random.default_rng(3).integers(-127, 128, (4, 9))
    block = ConstantMatrix(weight, [], Shape(8), target="ecp5", stages=2)
    (plan,) = block.plans
    verilog.emit(block, "matrix", tmp_path)
    found = cells(tmp_path / "matrix.v", "matrix", "ecp5-25k")
    assert 2 * found["CCU2C"] == plan.cost and found["LUT4"] == 2  # two registers' valid bits
    assert predict(block, "ecp5").luts == pytest.approx(found["luts"], abs=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": np.zeros((0, 3))}, "not empty"),
        ({"weight": np.ones(3)}, "must be"),
        ({"bias": [1, 2]}, "bias must be"),
        ({"target": "lut5"}, "target must be"),
        ({"stages": 0}, "stages must be"),
    ],
)
def test_bad_parameters(options, words):
    settings = {"weight": np.ones((3, 3), int), "bias": [], "x_shape": Shape(4), **options}
    with pytest.raises(InputError, match=words):
        ConstantMatrix(**settings)
