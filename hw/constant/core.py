"""The hardware of a planned constant matrix: words, then counters, with registers between their levels."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed, unsigned

from fermatnet.hw.constant.cell import WIRE, place, slots
from fermatnet.hw.constant.graph import Word
from fermatnet.hw.constant.heap import BitHeap
from fermatnet.hw.constant.pipeline import Net, Pipeline
from fermatnet.hw.constant.plan import MatrixPlan
from fermatnet.hw.piecewise.compressor.counter import Counter
from fermatnet.hw.piecewise.compressor.search import Plan
from fermatnet.hw.rtl.words import range_shape

__all__ = ["MatrixCore", "chain"]

PATIENCE = 2  # levels that a bare wire waits for a bit that needs no inverter


def chain(
    m: Module, platform: object, plans: Sequence[MatrixPlan], inputs: list[Value], enables: list[Value]
) -> list[Signal]:
    """Plans one after the other; the register stages are shared out by their depths. The results, each of its
    range's shape, after the last register."""
    total, done, values = sum(plan.depth for plan in plans), 0, inputs
    at = 0
    for number, plan in enumerate(plans):
        done += plan.depth
        until = len(enables) if number == len(plans) - 1 else len(enables) * done // total
        core = MatrixCore(m, platform, plan, values, enables[at:until], f"part{number}_" if number else "")
        values, at = [], until
        for k, (result, limits) in enumerate(zip(core.results, plan.ranges, strict=True)):
            value = Signal(range_shape(*limits), name=f"result{number}_{k}")
            m.d.comb += value.eq(result)
            values.append(value)
    return values


class _Bit:
    """A bit of a heap in the making: bit ``place`` of ``net``; ``kind`` "", "inverted" or "one"."""

    def __init__(self, net: Net | None, place: int, kind: str):
        self.net, self.place, self.kind = net, place, kind

    @property
    def level(self) -> int:
        return self.net.level if self.net is not None else 0


class MatrixCore:
    """Puts the plan's words and sums into module ``m``.

    ``inputs``: values of the inputs in stage 0; ``enables``: one a register stage. `results` are the outputs
    after the last register.
    """

    def __init__(
        self,
        m: Module,
        platform: object,
        plan: MatrixPlan,
        inputs: list[Value],
        enables: list[Value],
        prefix: str = "",
    ):
        self.m, self.platform, self.plan, self.prefix = m, platform, plan, prefix
        self.pipeline = Pipeline(m, len(enables), plan.depth, enables)
        self.nets: list[Net] = []
        self.flipped: dict[tuple[int, int, int], Value] = {}
        self.placed = 0
        for value, word in zip(inputs, plan.graph.words, strict=False):
            self.nets.append(Net(self._coded(value, word)))
        for number, word in enumerate(plan.graph.sums, len(inputs)):
            self.nets.append(self._sum(word, f"word{number}"))
        if plan.plans:
            self.results = [
                self._heap(heap, counters) for heap, counters in zip(plan.heaps, plan.plans, strict=True)
            ]
        else:
            self.results = [self._term(place) for place in range(len(plan.graph.outputs))]
        self.pipeline.close()

    @staticmethod
    def _coded(value: Value, word: Word) -> Value:
        """An input less its base: with an offset the highest bit of a negative one is inverted."""
        bits = value.as_unsigned()[: word.width]
        if word.base:
            return bits ^ Const(1 << word.width - 1, word.width)
        return bits.as_signed() if word.signed else bits

    def _sum(self, word: Word, name: str) -> Net:
        """An adder; with an offset what is subtracted comes as its inverted bits."""
        graph = self.plan.graph
        level = 1 + max(self.nets[term.word].level for term in word.parts)
        stage = self.pipeline.stage_of(level)
        # the one that is added comes first: it is the bare wire of the carry chain
        parts = sorted(word.parts, key=lambda term: -term.sign)
        values = []
        for term in parts:
            value = self.pipeline.at(self.nets[term.word], stage)
            if term.sign < 0 and graph.offset:
                value = (~value).as_unsigned()[: graph.words[term.word].width]
            values.append(value << term.shift)
        first, second = values
        result = first - second if parts[1].sign < 0 and not graph.offset else first + second
        # kept: else yosys adds chains of adders up at once, in more tables than carry chains take
        kept = {} if graph.offset else {"keep": "true"}
        o = Signal(signed(word.width) if word.signed else unsigned(word.width), name=name, attrs=kept)
        self.m.d.comb += o.eq(result)
        return Net(o, level, stage)

    def _term(self, number: int) -> Value:
        """An output that is one term at most and a bias."""
        plan, terms = self.plan, self.plan.graph.outputs[number]
        result: Value = Const(plan.bias[number])
        if not terms:
            return result
        (term,) = terms
        net = self.nets[term.word]
        if plan.bias[number] or term.sign < 0:
            stage = self.pipeline.stage_of(net.level + 1)
            value = self.pipeline.at(net, stage) << term.shift
            value = result - value if term.sign < 0 else value + result
            net = Net(self._named(value, f"output{number}"), net.level + 1, stage)
            return self.pipeline.at(net, self.pipeline.stages)
        return self.pipeline.at(net, self.pipeline.stages) << term.shift

    def _named(self, value: Value, name: str) -> Signal:
        o = Signal(value.shape(), name=name)
        self.m.d.comb += o.eq(value)
        return o

    def _heap(self, heap: BitHeap, plan: Plan) -> Value:
        """Counters of one output, the earliest bits first."""
        columns = [
            [_Bit(self.nets[bit.word], bit.place, "inverted" if bit.inverted else "") for bit in column]
            + [_Bit(None, 0, "one")] * heap.ones(number)
            for number, column in enumerate(heap.columns)
        ]
        for column, counter in plan.steps:
            taken = [self._take(columns, column + j, own) for j, own in enumerate(slots(counter))]
            made = self._counter(counter, taken)
            for j in range(counter.outputs):
                if column + j < heap.width:
                    columns[column + j].append(_Bit(made, j, ""))
        return self._joined(columns)

    @staticmethod
    def _take(columns: list[list[_Bit]], column: int, places: list[str]) -> list[_Bit]:
        """Bits of a column for the inputs of a counter: to bare wires those that are not inverted."""
        taken, pool = {}, columns[column] if places else []
        for at, kind in sorted(enumerate(places), key=lambda entry: entry[1] != WIRE):
            late = [bit.level for bit in pool]
            if kind == WIRE:  # a plain bit, though it come a little later
                late = [bit.level + PATIENCE * (bit.kind == "inverted") for bit in pool]
            ranked = [
                (level, (pool[k].kind == "inverted") == (kind == WIRE), k) for k, level in enumerate(late)
            ]
            taken[at] = pool.pop(min(ranked)[-1])
        return [taken[at] for at in range(len(places))]

    def _counter(self, counter: Counter, taken: list[list[_Bit]]) -> Net:
        level = 1 + max((bit.level for group in taken for bit in group), default=0)
        stage = self.pipeline.stage_of(level)
        groups = [
            [self._met(bit, kind, stage) for bit, kind in zip(group, kinds, strict=True)]
            for group, kinds in zip(taken, slots(counter), strict=True)
        ]
        self.placed += 1
        return Net(
            place(self.m, self.platform, f"{self.prefix}counter{self.placed}", counter, groups), level, stage
        )

    def _met(self, bit: _Bit, kind: str, stage: int) -> tuple[Value, str]:
        """Value of a bit in a stage, and what the counter has to do to it; before a bare wire it is inverted
        once for all."""
        if bit.net is None:
            return Const(1, 1), "one"
        if bit.kind != "inverted" or kind != WIRE:
            return self.pipeline.at(bit.net, stage)[bit.place], bit.kind
        key = (id(bit.net), bit.place, stage)
        if key not in self.flipped:
            value = self.pipeline.at(bit.net, stage)[bit.place]
            self.flipped[key] = self._named(~value, f"flipped{len(self.flipped)}")
        return self.flipped[key], ""

    def _joined(self, columns: list[list[_Bit]]) -> Value:
        """One bit a column, after the last register."""
        bits = []
        for column in columns:
            value: Value = Const(0, 1)
            if column:
                (bit,) = column
                value, kind = self._met(bit, "", self.pipeline.stages)
                value = ~value if kind == "inverted" else value
            bits.append(value)
        return Cat(bits)
