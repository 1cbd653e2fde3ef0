"""Requantisation with two roundings and corrections, and functions by table: between layers of imported
networks."""

from typing import Any

import numpy as np
from amaranth.hdl import Array, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.rtl.hard_product import hard_product
from fermatnet.hw.rtl.rom import Rom, constant
from fermatnet.hw.rtl.words import pack_words, range_shape, shape_range
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError

__all__ = ["LookupUnit", "RequantizeUnit"]


def _shape_of(values: list[int]) -> Shape:
    return range_shape(min(0, *values), max(0, *values))


class RequantizeUnit(wiring.Component):
    """`fermatnet.model.network.nodes.Requantize` for a stream of pixels, ``lanes`` channels a beat.

    With ``v = (x m[c] + o[c]) >> shift`` and ``h = 2^(second[c]-1)``:
    ``y = clip(((v + h - (v < 0)) >> second[c]) + zero, lo, hi) + sum_e by[c, e] (x == at[c, e])``; a channel
    with ``second`` 0 has no second rounding.

    Latency: 5 cycles, 4 when all channels pass in one beat. Throughput: one beat a cycle, C/lanes beats a
    pixel.

    Parameters
    ----------
    node : the layer, or anything with its fields
    x_shape, y_shape : Shape
        Of an incoming and of a leaving integer.
    lanes : int
        Channels a beat; divides C.
    target : str
        What it is made for, as `fermatnet.hw.rtl.clock.Clock` has it.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, lanes)), o : Out(stream of ArrayLayout(y_shape, lanes))
    """

    def __init__(self, node: Any, x_shape: Shape, y_shape: Shape, *, lanes: int, target: str = "generic"):
        self.node, self.lanes, self.target = node, lanes, target
        self.x_shape, self.y_shape = Shape.cast(x_shape), Shape.cast(y_shape)
        self.channels = len(node.multiplier)
        if lanes < 1 or self.channels % lanes:
            raise InputError(f"lanes must divide {self.channels} channels, not {lanes}")
        self.cycles = self.channels // lanes
        self.latency = 5 if self.cycles > 1 else 4
        multipliers, offsets = node.multiplier.tolist(), node.offset.tolist()
        ends = [m * end for m in multipliers for end in shape_range(self.x_shape)]
        totals = [
            m * end + o
            for m, o in zip(multipliers, offsets, strict=True)
            for end in shape_range(self.x_shape)
        ]
        self.product_shape = _shape_of(ends)
        self.first_shape = _shape_of([total >> node.shift for total in totals])
        self.seconds = sorted({int(s) for s in node.second})
        at_ends = [int(node.at.min(initial=0)), int(node.at.max(initial=0)), *shape_range(self.x_shape)]
        self.fields = {
            "multiplier": _shape_of(multipliers),
            "offset": _shape_of(offsets),
            "second": Shape(max(1, (len(self.seconds) - 1).bit_length())),
            **{f"at{k}": _shape_of(at_ends) for k in range(node.at.shape[1])},
            **{f"by{k}": signed(2) for k in range(node.at.shape[1])},
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.y_shape, lanes))),
            }
        )

    @property
    def word(self) -> data.ArrayLayout:
        """What one beat needs."""
        return data.ArrayLayout(data.StructLayout(self.fields), self.lanes)

    def words(self) -> list[int]:
        """Memory contents, one word a beat of a pixel."""
        node, columns = self.node, range(self.node.at.shape[1])
        rows = []
        for start in range(0, self.channels, self.lanes):
            row = []
            for c in range(start, start + self.lanes):
                values = [node.multiplier[c], node.offset[c], self.seconds.index(int(node.second[c]))]
                values += [node.at[c, k] for k in columns] + [node.by[c, k] for k in columns]
                row += [
                    (value, shape.width) for value, shape in zip(values, self.fields.values(), strict=True)
                ]
            rows.append(row)
        return pack_words(rows)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.latency)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        x, factors, stage = self._fetch(m, platform, enables)
        for lane in range(self.lanes):
            self._lane(m, platform, lane, x[lane], factors[lane], enables[stage:])
        return m

    def _fetch(self, m, platform, enables):
        """The beat and its factors, and the number of stages that took."""
        x, factors = Signal.like(self.i.payload), Signal(self.word)
        if self.cycles == 1:
            word = constant(m, platform, self.word.size, self.words()[0], "requantize")
            m.d.comb += [x.eq(self.i.payload), factors.eq(word)]
            return x, factors, 0
        m.submodules.table = rom = Rom(self.word.size, self.words(), "requantize")
        beat = Signal(range(self.cycles))
        with m.If(enables[0]):
            m.d.sync += x.eq(self.i.payload)
            with m.If(self.i.valid):
                m.d.sync += beat.eq(Mux(beat == self.cycles - 1, 0, beat + 1))
        m.d.comb += [rom.addr.eq(beat), rom.en.eq(enables[0]), factors.eq(rom.data)]
        return x, factors, 1

    def _lane(self, m, platform, lane, x, factors, enables):
        """Product, first rounding, second rounding, clip: a register each."""
        node, (multiply, first, second, last) = self.node, enables
        product, offset = Signal(self.product_shape, name=f"product{lane}"), Signal.like(factors.offset)
        v, correction = (
            Signal(self.first_shape, name=f"first{lane}"),
            Signal(signed(3), name=f"correction{lane}"),
        )
        codes = [Signal.like(factors.second, name=f"second{lane}_{k}") for k in range(2)]
        met = sum(
            (Mux(x == factors[f"at{k}"], factors[f"by{k}"], 0) for k in range(node.at.shape[1])),
            Const(0, signed(2)),
        )
        held = [Signal(signed(3), name=f"correction{lane}_{k}") for k in range(2)]
        target = self.target if self.cycles > 1 else "generic"  # by a constant: yosys knows better
        hard_product(m, platform, x, factors.multiplier, product, target=target, enable=multiply)
        with m.If(multiply):
            m.d.sync += offset.eq(factors.offset)
            m.d.sync += [codes[0].eq(factors.second), held[0].eq(met)]
        with m.If(first):
            m.d.sync += [v.eq((product + offset) >> node.shift), codes[1].eq(codes[0]), held[1].eq(held[0])]
        rounded = Array(self._rounded(v, amount) for amount in self.seconds)[codes[1]]
        wide = Signal(signed(self.first_shape.width + 2), name=f"wide{lane}")
        with m.If(second):
            m.d.sync += [wide.eq(rounded), correction.eq(held[1])]
        total = Signal(signed(max(wide.shape().width, 33) + 1), name=f"total{lane}")
        m.d.comb += total.eq(wide + node.zero)
        clipped = Mux(total < node.lo, node.lo, Mux(total > node.hi, node.hi, total))
        with m.If(last):
            m.d.sync += self.o.payload[lane].eq(clipped + correction)

    @staticmethod
    def _rounded(v, amount):
        """Half away from zero, by ``amount`` places."""
        if amount == 0:
            return v
        return (v + (1 << amount - 1) - (v < 0)) >> amount


class LookupUnit(wiring.Component):
    """``y = table[x - first]`` for a stream, ``lanes`` values a beat: one read-only memory a lane.

    Latency: 2 cycles. Throughput: one beat a cycle (``cycles`` = 1).

    Parameters
    ----------
    table : (T,) int
        Values; the first is for the input ``first``.
    first : int
    x_shape : Shape
        Of an incoming integer; inputs outside the table read an undefined value.
    lanes : int

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, lanes)), o : Out(stream of ArrayLayout(y_shape, lanes))
    """

    latency = 2
    cycles = 1

    def __init__(self, table: ArrayLike, first: int, x_shape: Shape, *, lanes: int):
        self.table, self.first, self.lanes = np.asarray(table, np.int64), int(first), lanes
        if self.table.ndim != 1 or not self.table.size:
            raise InputError(f"a table must be one row of integers, not {self.table.shape}")
        self.x_shape = Shape.cast(x_shape)
        self.y_shape = range_shape(int(self.table.min()), int(self.table.max()))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.y_shape, lanes))),
            }
        )

    def words(self) -> list[int]:
        """The table as bit patterns."""
        mask = (1 << self.y_shape.width) - 1
        return [int(value) & mask for value in self.table]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, 2)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        for lane in range(self.lanes):
            m.submodules[f"table{lane}"] = rom = Rom(self.y_shape.width, self.words(), "lookup")
            m.d.comb += [rom.addr.eq(self.i.payload[lane] - self.first), rom.en.eq(enables[0])]
            with m.If(enables[1]):
                m.d.sync += self.o.payload[lane].eq(rom.data)
        return m
