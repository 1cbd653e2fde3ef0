"""Depthwise multiply-accumulate: each channel has its own window and its own kernel, ``lanes`` channels side
by side."""

from typing import Any

import numpy as np
from amaranth.hdl import Array, Const, Module, Shape, Signal, Value
from amaranth.lib import data
from numpy.typing import ArrayLike

from fermatnet.hw.arrays.free_running import Beats, Flags, FreeRunning
from fermatnet.hw.arrays.products.choice import Operands, make
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.delayed import delayed
from fermatnet.hw.rtl.registered_rom import RegisteredRom, registers_behind
from fermatnet.hw.rtl.words import pack_words, range_shape, shape_range
from fermatnet.model.errors import InputError

__all__ = ["DepthwiseArray"]


class DepthwiseArray(FreeRunning):
    """``y[c] = sum_t w[c, t] x[c, t]`` over the T taps of a window, ``lanes`` channels a beat.

    For each output pixel and each chunk of ``lanes`` channels, the input brings the T taps in order (ky, kx):
    a :class:`SlidingWindow` with ``groups = channels / lanes``. With ``levels`` the input is a piece index
    and x its level.

    The pipeline never stops: see `fermatnet.hw.arrays.free_running`.

    Latency: T + fetch cycles (`registers_behind`), those of a product and those of the queue, from the
    first tap of a chunk to its result. Throughput: one beat a cycle, ``cycles`` = C / lanes * T for one
    pixel.

    Parameters
    ----------
    weight : (C, T) int
    x_shape : Shape
        Of an incoming value; of an index where ``levels`` is given.
    lanes : int
        Divides C.
    levels : (N+1,) int or None
    contents : (C, T) int or None
        What the memory holds, where ``weight`` are the extremes that size it.
    clock, products : Clock, str
        As those of `fermatnet.hw.arrays.integer.IntegerArray`.

    Members
    -------
    i : In(stream of ``lanes`` values), o : Out(stream of ``lanes`` sums of ``acc_shape``)
    """

    def __init__(
        self,
        weight: ArrayLike,
        x_shape: Shape,
        *,
        lanes: int,
        levels: ArrayLike | None = None,
        contents: np.ndarray | None = None,
        clock: Clock | None = None,
        products: str = "auto",
    ):
        self.weight, self.x_shape, self.lanes = np.asarray(weight, np.int64), Shape.cast(x_shape), lanes
        if self.weight.ndim != 2 or not self.weight.size:
            raise InputError(f"weight must be (C, T) and not empty, not {self.weight.shape}")
        self.channels, self.taps = self.weight.shape
        if lanes < 1 or self.channels % lanes:
            raise InputError(f"lanes must divide {self.channels} channels, not {lanes}")
        self.levels = None if levels is None else np.asarray(levels, np.int64)
        lo, hi = (
            shape_range(self.x_shape)
            if self.levels is None
            else (int(self.levels.min()), int(self.levels.max()))
        )
        self.value_shape = self.x_shape if self.levels is None else range_shape(min(0, lo), max(0, hi))
        extremes = min(0, int(self.weight.min())), max(0, int(self.weight.max()))
        operands = Operands(extremes, self.value_shape, 1, lanes, shared=False)
        self.memory_target = (clock or Clock()).target
        self.products = make(operands, clock or Clock(), products)
        self.weight_shape = self.products.weight_shape
        ends = np.stack([self.weight * lo, self.weight * hi])
        low, high = (
            np.minimum(ends.min(axis=0), 0).sum(axis=1).min(),
            np.maximum(ends.max(axis=0), 0).sum(axis=1).max(),
        )
        self.acc_shape = range_shape(int(low), int(high))
        self.weight_width = lanes * self.weight_shape.width  # bits of a word of the weight memory, one a beat
        if contents is not None:
            self.weight = np.asarray(contents, np.int64)
        i_layout, o_layout = data.ArrayLayout(self.x_shape, lanes), data.ArrayLayout(self.acc_shape, lanes)
        cycles = self.channels // lanes * self.taps
        self.fetch = registers_behind(self.weight_width, cycles, clock or Clock())
        self._stream(i_layout, o_layout, cycles, self.taps, 1 + self.fetch + self.products.latency)

    def words(self) -> list[int]:
        """Weight memory: chunk after chunk of channels, tap after tap."""
        chunks = self.weight.reshape(-1, self.lanes, self.taps).transpose(0, 2, 1).reshape(-1, self.lanes)
        return pack_words([[(w, self.weight_shape.width) for w in row] for row in chunks])

    def sums(self, m: Module, platform: Any, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        layout = data.ArrayLayout(self.weight_shape, self.lanes)
        m.submodules.weights = rom = RegisteredRom(
            self.weight_width, self.words(), "weights", target=self.memory_target
        )
        m.d.comb += rom.addr.eq(walk.address)
        came = delayed(m, self.i.payload, self.fetch, "came")
        x = Signal(data.ArrayLayout(self.value_shape, self.lanes), reset_less=True)
        weights = layout(delayed(m, rom.data, self.fetch - 1, "weights"))
        m.d.sync += [x[k].eq(self._value(came[k])) for k in range(self.lanes)]
        flags = Flags(m, platform, enter, walk, self.depth - 1, groups[-1] + 1)
        begin = Const(-self.products.offset * self.taps, self.acc_shape)  # what makes every product larger
        results = []
        for k, group in enumerate(groups):
            (product,) = self.products.sums(m, platform, [[weights[k]]], [x[k]], first=k)
            acc = Signal(self.acc_shape, name=f"acc{k}", init=begin.value)
            total = Signal(self.acc_shape, name=f"total{k}")
            m.d.comb += total.eq(product.value + acc)
            if self.taps > 1:
                with m.If(flags.done[group]):
                    m.d.sync += acc.eq(begin)
                with m.Elif(flags.valid[group]):
                    m.d.sync += acc.eq(total)
            results.append(total)
        return results, flags.done

    def _value(self, x):
        if self.levels is None:
            return x
        return Array(Const(int(level), self.value_shape) for level in self.levels)[x]
