# amaranth: UnusedElaboratable=no
"""One output's dot product over ``simd`` inputs: pairs or table bits into compressor trees, group sums times
their odd numbers."""

import math
from functools import partial

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.compressor.heap import Compressor, Heap
from fermatnet.hw.piecewise.forms import Form
from fermatnet.hw.rtl.platform import Platform, platform_of
from fermatnet.model.piecewise.planes import digits

__all__ = ["Dot", "Lanes"]

LONGEST = 1000.0
"""Nanoseconds that no path is longer than."""


class Lanes:
    """The heaps of one dot product of ``simd`` lanes, before any hardware.

    ``groups`` and ``trees``: the form's groups with a term below 2^width, one heap each; ``joint``: the heap
    that adds the group sums at the signed digits of their factors, None where one group of factor 1 is all;
    ``wiring``: its bits by column, (group, bit, inverted);
    ``offset``: what constant parts add to each sum: a negative digit adds inverted bits. Bits past the top
    vanish modulo 2^width, with their constants.
    """

    def __init__(self, form: Form, simd: int, width: int):
        self.groups = [g for g in form.groups if any(g.pairs[:width]) or (g.bits and len(g.pairs) < width)]
        self.offset = form.offset * simd
        self.trees: list[Heap] = []
        for group in self.groups:
            columns = (
                tuple(tuple(gate for _, _, gate in column) * simd for column in group.pairs)
                + ((),) * group.bits
            )
            bits = (0,) * len(group.pairs) + (simd,) * group.bits
            top = sum(
                (len(gates) + count) << e for e, (gates, count) in enumerate(zip(columns, bits, strict=True))
            )
            self.trees.append(Heap(columns, bits, min(top.bit_length(), width)))
        self.wiring: list[list[tuple[int, int, bool]]] = [[] for _ in range(width)]
        self.joint: Heap | None = None
        if len(self.groups) > 1 or any(group.factor > 1 for group in self.groups):
            for g, (group, tree) in enumerate(zip(self.groups, self.trees, strict=True)):
                for sign, exponent in digits(group.factor):
                    for k in range(min(tree.width, max(0, width - exponent))):
                        self.wiring[exponent + k].append((g, k, sign < 0))
                        self.offset += 1 << exponent + k if sign < 0 else 0
            self.joint = Heap(((),) * width, tuple(len(column) for column in self.wiring), width)

    def depths(self, target: str) -> tuple[int, int]:
        """Counters, or adders, on the longest path of the groups' trees and of the joint one."""
        return max((tree.depth(target) for tree in self.trees), default=0), self.joint.depth(
            target
        ) if self.joint else 0

    def stages(self, target: str, budget: float) -> tuple[int, int, int]:
        """Register stages inside the trees, between them and the joint one, and in that, with ``budget``
        nanoseconds between two of them."""
        inside = max((tree.stages(target, budget) for tree in self.trees), default=0)
        if self.joint is None:
            return inside, 0, 0
        return inside, 1, self.joint.stages(target, budget)

    def levels(self, target: str, budget: float) -> int:
        """Most counters, or adders, between two registers then."""
        trees = [*self.trees, *([self.joint] if self.joint else [])]
        return max((tree.levels(target, budget) for tree in trees), default=0)

    def budget(self, target: str, pipeline: int) -> float:
        """Least nanoseconds between registers with which ``pipeline`` stages are enough; none: infinite."""
        low, high = 0.0, 1.0
        if pipeline == 0:
            return math.inf
        while sum(self.stages(target, high)) > pipeline and high < LONGEST:
            low, high = high, 2 * high
        while high - low > 0.05:
            middle = (low + high) / 2
            enough = sum(self.stages(target, middle)) <= pipeline
            low, high = (low, middle) if enough else (middle, high)
        return high


class Dot(wiring.Component):
    """``o = sum over lanes of level_w * level_a + offset``, modulo 2^width.

    Latency: ``pipeline`` cycles; the registers load in every cycle. Throughput: one sum a cycle.

    Parameters
    ----------
    form : Form
        Which exact form; see `fermatnet.hw.piecewise.forms`.
    simd : int
        Lanes.
    width : int
        Bits of the sum.
    target : str
        What the trees are made for.
    pipeline : int or None
        Register stages inside; None: as many as ``budget`` asks for.
    budget : float
        Nanoseconds between registers (`fermatnet.hw.rtl.clock.Clock.budget`); infinite: as few as
        ``pipeline`` stages make it.

    Attributes
    ----------
    depth : int
        Counters, or adders, on the longest path.
    offset : int
        What the constant parts of all lanes add to each sum.
    trees : list of Compressor
        One for each group, then one that joins them where there are several or odd factors.

    Members
    -------
    t : In(simd * form.weight_bits)
        Weights: plane after plane, or table codes lane after lane.
    v : In(simd * activation planes) or In(simd * index bits)
        Activations: plane after plane, or indices lane after lane.
    o : Out(width)
    """

    def __init__(
        self,
        form: Form,
        simd: int,
        width: int,
        *,
        target: str = "generic",
        pipeline: int | None = 0,
        budget: float = math.inf,
    ):
        self.form, self.simd, self.width, self.target = form, simd, width, target
        self.lanes = lanes = Lanes(form, simd, width)
        self.offset, self.depth = lanes.offset, sum(lanes.depths(target))
        if budget == math.inf:
            budget = lanes.budget(target, pipeline or 0)
        self.budget = budget
        inside, between, behind = lanes.stages(target, budget) if budget < math.inf else (0, 0, 0)
        spare = 0 if pipeline is None else pipeline - inside - between - behind
        # registers between the two tiers, where the bits are fewest
        self.between = between
        self.pipeline = self.latency = inside + between + behind + spare
        part = partial(Compressor, target=target, budget=budget, enable=False)
        self.trees = [
            part(heap.pairs, heap.bits, heap.width, pipeline=inside + spare) for heap in lanes.trees
        ]
        self.joint: Compressor | None = None
        if lanes.joint is not None:
            self.joint = part(lanes.joint.pairs, lanes.joint.bits, width, pipeline=behind)
        index_bits = (len(form.products[0]) - 1).bit_length() if form.kind == "table" else 0
        self.code_bits, self.index_bits = form.weight_bits, index_bits
        v_width = simd * (index_bits if form.activation_planes is None else form.activation_planes.count)
        super().__init__({"t": In(simd * form.weight_bits), "v": In(v_width), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        if platform_of(platform).shared_modules:
            return self._instance(platform_of(platform))
        m = Module()
        for g, (group, tree) in enumerate(zip(self.lanes.groups, self.trees, strict=True)):
            m.submodules[f"group{g}"] = tree
            ts, vs = [], []
            for column in group.pairs:
                for lane in range(self.simd):
                    ts += [self.t[i * self.simd + lane] for i, _, _ in column]
                    vs += [self.v[j * self.simd + lane] for _, j, _ in column]
            if ts:
                m.d.comb += [tree.a.eq(Cat(ts)), tree.b.eq(Cat(vs))]
            if group.bits:
                m.d.comb += tree.x.eq(self._products(m, group.bits))
        sums: list[Value] = [tree.o for tree in self.trees]
        if self.between:
            held = [Signal(tree.width, name=f"sum{g}", reset_less=True) for g, tree in enumerate(self.trees)]
            m.d.sync += [register.eq(value) for register, value in zip(held, sums, strict=True)]
            sums = list(held)
        if self.joint is None:
            m.d.comb += self.o.eq(sums[0] if sums else 0)
            return m
        m.submodules.joint = self.joint
        m.d.comb += self.joint.x.eq(
            Cat(sums[g][k] ^ int(inverted) for column in self.lanes.wiring for g, k, inverted in column)
        )
        m.d.comb += self.o.eq(self.joint.o)
        return m

    def _instance(self, platform: Platform) -> Module:
        """In Verilog all dot products of one shape are instances of one module."""
        m = Module()
        key = repr(
            (
                self.form,
                self.form.weight_planes,
                self.form.activation_planes,
                self.form.products,
                self.simd,
                self.width,
                self.target,
                self.pipeline,
                self.budget,
            )
        )
        name = platform.shared_module(
            "fermatnet_dot",
            key,
            Dot(
                self.form,
                self.simd,
                self.width,
                target=self.target,
                pipeline=self.pipeline,
                budget=self.budget,
            ),
        )
        ports = {f"i_{port}": getattr(self, port) for port in ("t", "v") if len(getattr(self, port))}
        if self.pipeline and self.lanes.groups:
            ports |= {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        m.submodules.dot = Instance(name, o_o=self.o, **ports)
        return m

    def _products(self, m: Module, bits: int) -> Value:
        """Product bits, column after column, lane after lane: one table of code and index each."""
        rows = 1 << self.index_bits
        tables = [
            sum(
                ((product >> k) & 1) << (code * rows + index)
                for code, row in enumerate(self.form.products)
                for index, product in enumerate(row)
            )
            for k in range(bits)
        ]
        selects = []
        for lane in range(self.simd):
            select = Signal(self.index_bits + self.code_bits, name=f"select{lane}")
            m.d.comb += select.eq(
                Cat(self.v.word_select(lane, self.index_bits), self.t.word_select(lane, self.code_bits))
            )
            selects.append(select)
        return Cat(
            (Const(table, rows << self.code_bits) >> select)[0] for table in tables for select in selects
        )
