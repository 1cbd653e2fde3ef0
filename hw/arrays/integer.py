"""Plain multiply-accumulate array: dense layers and direct convolutions in integers, folded over outputs and
inputs."""

from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import data
from numpy.typing import ArrayLike

from fermatnet.hw.arrays.folding import Folding
from fermatnet.hw.arrays.free_running import Beats, Flags, FreeRunning
from fermatnet.hw.arrays.products.choice import Operands, make
from fermatnet.hw.arrays.products.sums import added
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.delayed import delayed
from fermatnet.hw.rtl.registered_rom import RegisteredRom, registers_behind
from fermatnet.hw.rtl.rom import Rom, constant, reloadable
from fermatnet.hw.rtl.words import pack_words, range_shape, shape_range
from fermatnet.model.errors import InputError

__all__ = ["IntegerArray"]


class IntegerArray(FreeRunning):
    """``y = W x + bias`` for every output pixel, ``pe`` outputs by ``simd`` inputs a beat.

    For each output pixel the input brings the whole window of K values, once for every output fold: O/pe *
    K/simd beats, output fold outermost. The accumulator is as wide as the true weights and bias can make any
    partial sum.

    Registers stand behind the memories, the products and every few sums; the pipeline never stops: see
    `fermatnet.hw.arrays.free_running`.

    Latency: K/simd + 1 + fetch cycles, those of the sums of products and those of the queue, from the first
    beat of an output to its result. Throughput: one beat a cycle.

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
    clock : Clock
        By which the sums of products are cut.
    products : str
        "auto", or how products are made: one of `fermatnet.hw.arrays.products.choice.WAYS`.

    Attributes
    ----------
    acc_shape : Shape
        Shape of a result.
    latency, cycles : int
        As above; cycles of one output pixel.
    pipeline, levels : int
        Register stages of the sums of products, and most adders between two of them.
    fetch : int
        Registers behind the weight memory, 1 or 2 (`registers_behind`).
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
        clock: Clock | None = None,
        products: str = "auto",
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
        ends = min(int(self.weight.min()), 0), max(int(self.weight.max()), 0)
        self.memory_target = (clock or Clock()).target
        self.products = make(Operands(ends, self.x_shape, simd, pe), clock or Clock(), products)
        self.weight_shape = self.products.weight_shape
        self.biased = bool(self.bias.any())  # by the bounds, where weights are reloadable
        # what makes every beat's sums larger is taken off with the bias
        self.start = -self.products.offset * self.folding.beats
        self.bias_shape = range_shape(
            min(int(self.bias.min()), 0) + self.start, max(int(self.bias.max()), 0) + self.start
        )
        lo, hi = shape_range(self.x_shape)
        corners = np.stack([self.weight * lo, self.weight * hi])
        low = np.minimum(corners.min(axis=0), 0).sum(axis=1) + self.bias
        high = np.maximum(corners.max(axis=0), 0).sum(axis=1) + self.bias
        self.acc_shape = range_shape(min(int(low.min()), 0), max(int(high.max()), 0))
        self.weight_width = pe * simd * self.weight_shape.width
        if contents is not None:
            weight, bias = contents
            self.weight = np.asarray(weight, np.int64)
            self.bias = np.asarray(bias, np.int64) if np.size(bias) else np.zeros_like(self.bias)
        self.pipeline, self.levels = self.products.latency - 1, self.products.levels
        i_layout, o_layout = data.ArrayLayout(self.x_shape, simd), data.ArrayLayout(self.acc_shape, pe)
        cycles = self.folding.cycles
        self.fetch = registers_behind(self.weight_width, cycles, clock or Clock())
        depth = 1 + self.fetch + self.products.latency
        self._stream(i_layout, o_layout, cycles, self.folding.beats, depth)

    def words(self) -> list[int]:
        """Weight memory, one word a beat: lane after lane of output after output."""
        width = self.weight_shape.width
        tiles = self.products.encoded(self.folding.tiles(self.weight))
        return pack_words([[(w, width) for w in tile.ravel()] for tile in tiles])

    def sums(self, m: Module, platform: Any, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        layout = data.ArrayLayout(data.ArrayLayout(self.weight_shape, self.simd), self.pe)
        m.submodules.weights = rom = RegisteredRom(
            self.weight_width, self.words(), "weights", target=self.memory_target
        )
        m.d.comb += rom.addr.eq(walk.address)
        x = delayed(m, self.i.payload, 1 + self.fetch, "x")
        weights = layout(delayed(m, rom.data, self.fetch - 1, "weights"))
        flags = Flags(m, platform, enter, walk, self.depth - 1, groups[-1] + 1)
        bias = self._bias(m, platform, flags)
        sums = self.products.sums(m, platform, [weights[n] for n in range(self.pe)], x)
        results = []
        for n, group in enumerate(groups):
            total = Signal(self.acc_shape, name=f"total{n}")
            before = bias[n]
            if self.folding.beats > 1:
                acc = Signal(self.acc_shape, name=f"acc{n}", reset_less=True)
                before = Mux(flags.first[group], before, acc)
                with m.If(flags.valid[group]):
                    m.d.sync += acc.eq(total)
            m.d.comb += total.eq(added(sums[n].value, before, sums[n].carry))
            results.append(total)
        return results, flags.done

    def _bias(self, m: Module, platform: Any, flags: Flags) -> data.View:
        """Bias of the outputs now accumulating: a constant, or a register filled from a memory for the next
        fold."""
        layout = data.ArrayLayout(self.bias_shape, self.pe)
        rows = pack_words(
            [[(b + self.start, self.bias_shape.width) for b in row] for row in self.bias.reshape(-1, self.pe)]
        )
        loads = self.biased and reloadable(platform)
        if len(set(rows)) == 1 and not loads:
            return Signal(layout, init=layout.from_bits(rows[0]), name="bias")
        if len(rows) == 1:
            return layout(constant(m, platform, layout.size, rows[0], "bias"))
        m.submodules.bias = rom = Rom(layout.size, rows, "bias")
        fold, bias = Signal(range(len(rows))), Signal(layout, name="bias", reset_less=True)
        # a fold's last beat two cycles before its sum is taken: the register changes right behind it
        with m.If(flags.before(2)[2]):
            m.d.sync += fold.eq(Mux(fold == len(rows) - 1, 0, fold + 1))
        m.d.comb += [rom.en.eq(1), rom.addr.eq(fold)]
        m.d.sync += bias.eq(rom.data)
        return bias
