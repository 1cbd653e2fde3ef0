"""Plain multiply-accumulate array: dense layers and direct convolutions in integers, folded over outputs and
inputs."""

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.rtl.rom import Rom, constant, reloadable
from fermatnet.hw.rtl.words import pack_words, range_shape, shape_range
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError

__all__ = ["BeatCounter", "Folding", "IntegerArray"]


class Folding:
    """How an (outputs, inputs) matrix passes through ``pe`` x ``simd`` units: output fold outermost, then
    ``simd`` inputs a beat.

    Attributes: ``folds`` = O/pe, ``beats`` = K/simd, ``cycles`` = folds * beats for one output pixel.
    """

    def __init__(self, outputs: int, inputs: int, pe: int, simd: int):
        if pe < 1 or outputs % pe:
            raise InputError(f"pe must divide {outputs} outputs, not {pe}")
        if simd < 1 or inputs % simd:
            raise InputError(f"simd must divide {inputs} inputs, not {simd}")
        self.outputs, self.inputs, self.pe, self.simd = outputs, inputs, pe, simd
        self.folds, self.beats = outputs // pe, inputs // simd
        self.cycles = self.folds * self.beats

    def tiles(self, matrix: np.ndarray) -> np.ndarray:
        """Matrix (O, K) in beat order: (folds * beats, pe, simd)."""
        cut = matrix.reshape(self.folds, self.pe, self.beats, self.simd)
        return cut.transpose(0, 2, 1, 3).reshape(self.cycles, self.pe, self.simd)


class BeatCounter:
    """Counters of the beat at the input: ``address`` over all beats of a pixel, ``first`` and ``last`` within
    one output."""

    def __init__(self, m: Module, folding: Folding, advance):
        self.address = Signal(range(max(2, folding.cycles)), name="address")
        beat = Signal(range(max(2, folding.beats)), name="beat")
        self.first, self.last = beat == 0, beat == folding.beats - 1
        with m.If(advance):
            if folding.cycles > 1:
                m.d.sync += self.address.eq(Mux(self.address == folding.cycles - 1, 0, self.address + 1))
            if folding.beats > 1:
                m.d.sync += beat.eq(Mux(self.last, 0, beat + 1))


class IntegerArray(wiring.Component):
    """``y = W x + bias`` for every output pixel, ``pe`` outputs by ``simd`` inputs a beat.

    For each output pixel the input brings the whole window of K values, once for every output fold: O/pe *
    K/simd beats, output fold outermost. The accumulator is as wide as the true weights and bias can make any
    partial sum.

    Latency: K/simd + 2 cycles from the first beat of an output to its result. Throughput: one beat a cycle.

    Parameters
    ----------
    weight : (O, K) int
    bias : (O,) int, or empty for none
    x_shape : Shape
        Shape of an incoming value.
    pe, simd : int
        Outputs and inputs in parallel; pe divides O, simd divides K.
    contents : (weight, bias) or None
        What the memories hold, where ``weight`` and ``bias`` are the extremes that size them.

    Attributes
    ----------
    acc_shape : Shape
        Shape of a result.
    latency, cycles : int
        As above; cycles of one output pixel.
    weight_width : int
        Bits of a word of the weight memory, one a beat.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, simd))
    o : Out(stream of ArrayLayout(acc_shape, pe))
    """

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike,
        x_shape: Shape,
        *,
        pe: int,
        simd: int,
        contents: tuple[np.ndarray, np.ndarray] | None = None,
    ):
        self.weight, self.bias = np.asarray(weight, np.int64), np.asarray(bias, np.int64)
        if self.weight.ndim != 2 or not self.weight.size:
            raise InputError(f"weight must be (O, K) and not empty, not {self.weight.shape}")
        if not self.bias.size:
            self.bias = np.zeros(self.weight.shape[0], np.int64)
        if self.bias.shape != self.weight.shape[:1]:
            raise InputError(f"bias must be ({self.weight.shape[0]},) or empty, not {self.bias.shape}")
        self.x_shape, self.pe, self.simd = Shape.cast(x_shape), pe, simd
        self.folding = Folding(self.weight.shape[0], self.weight.shape[1], pe, simd)
        self.latency, self.cycles = self.folding.beats + 2, self.folding.cycles
        self.weight_shape = range_shape(min(int(self.weight.min()), 0), max(int(self.weight.max()), 0))
        self.biased = bool(self.bias.any())  # by the bounds, where weights are reloadable
        self.bias_shape = range_shape(min(int(self.bias.min()), 0), max(int(self.bias.max()), 0))
        lo, hi = shape_range(self.x_shape)
        products = np.stack([self.weight * lo, self.weight * hi])
        low = np.minimum(products.min(axis=0), 0).sum(axis=1) + self.bias
        high = np.maximum(products.max(axis=0), 0).sum(axis=1) + self.bias
        self.acc_shape = range_shape(min(int(low.min()), 0), max(int(high.max()), 0))
        self.weight_width = pe * simd * self.weight_shape.width
        if contents is not None:
            weight, bias = contents
            self.weight = np.asarray(weight, np.int64)
            self.bias = np.asarray(bias, np.int64) if np.size(bias) else np.zeros_like(self.bias)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, simd))),
                "o": Out(stream.Signature(data.ArrayLayout(self.acc_shape, pe))),
            }
        )

    def words(self) -> list[int]:
        """Weight memory, one word a beat: lane after lane of output after output."""
        width = self.weight_shape.width
        return pack_words([[(w, width) for w in tile.ravel()] for tile in self.folding.tiles(self.weight)])

    def elaborate(self, platform) -> Module:
        m = Module()
        fold = self.folding
        walk_valid = self.i.valid
        take = Signal()  # the product stage may hand its item to the accumulator
        valids, enables = elastic(m, walk_valid, take, 2)
        walk = BeatCounter(m, fold, enables[0] & self.i.valid)
        m.submodules.weights = rom = Rom(
            self.pe * self.simd * self.weight_shape.width, self.words(), "weights"
        )
        m.d.comb += [self.i.ready.eq(enables[0]), rom.addr.eq(walk.address), rom.en.eq(enables[0])]
        x = Signal.like(self.i.payload)
        flags = [Signal(2, name=f"flags{k}") for k in range(2)]  # first, last
        with m.If(enables[0]):
            m.d.sync += [x.eq(self.i.payload), flags[0].eq(walk.first | (walk.last << 1))]
        with m.If(enables[1]):
            m.d.sync += flags[1].eq(flags[0])
        first, last = flags[1][0], flags[1][1]
        m.d.comb += take.eq(~last | ~self.o.valid | self.o.ready)
        move = Signal()
        m.d.comb += move.eq(valids[1] & take)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(move & last):
            m.d.sync += self.o.valid.eq(1)
        weights = data.ArrayLayout(data.ArrayLayout(self.weight_shape, self.simd), self.pe)(rom.data)
        bias = self._bias(m, platform, move & last)
        for n in range(self.pe):
            products = [
                Signal(_product_shape(self.weight_shape, self.x_shape), name=f"product{n}_{k}")
                for k in range(self.simd)
            ]
            with m.If(enables[1]):
                m.d.sync += [product.eq(weights[n][k] * x[k]) for k, product in enumerate(products)]
            total = Signal(self.acc_shape, name=f"total{n}")
            before = bias[n]
            if fold.beats > 1:
                acc = Signal(self.acc_shape, name=f"acc{n}")
                before = Mux(first, before, acc)
                with m.If(move):
                    m.d.sync += acc.eq(total)
            m.d.comb += total.eq(_tree(products) + before)
            with m.If(move & last):
                m.d.sync += self.o.payload[n].eq(total)
        return m

    def _bias(self, m: Module, platform, done) -> data.View:
        """Bias of the outputs now accumulating: a constant, or a memory read ahead for the next fold."""
        layout = data.ArrayLayout(self.bias_shape, self.pe)
        rows = pack_words(
            [[(b, self.bias_shape.width) for b in row] for row in self.bias.reshape(-1, self.pe)]
        )
        loads = self.biased and reloadable(platform)
        if len(set(rows)) == 1 and not loads:
            return Signal(layout, init=layout.from_bits(rows[0]), name="bias")
        if len(rows) == 1:
            return layout(constant(m, platform, layout.size, rows[0], "bias"))
        m.submodules.bias = rom = Rom(layout.size, rows, "bias")
        fold, primed = Signal(range(len(rows))), Signal()
        following = Mux(fold == len(rows) - 1, 0, fold + 1)
        m.d.sync += primed.eq(1)
        m.d.comb += [rom.en.eq(~primed | done), rom.addr.eq(Mux(primed, following, 0))]
        with m.If(done):
            m.d.sync += fold.eq(following)
        return layout(rom.data)


def _product_shape(a: Shape, b: Shape) -> Shape:
    """Shape of every product of a value of shape a and one of shape b."""
    corners = [x * y for x in shape_range(a) for y in shape_range(b)]
    return range_shape(min(corners), max(corners))


def _tree(terms: list):
    """Balanced sum."""
    while len(terms) > 1:
        terms = [terms[k] + terms[k + 1] if k + 1 < len(terms) else terms[k] for k in range(0, len(terms), 2)]
    return terms[0]
