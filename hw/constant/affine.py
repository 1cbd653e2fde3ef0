"""A fixed-point scale whose factors never change, all channels at once: shifted sums instead of
multipliers."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.constant.core import MatrixCore
from fermatnet.hw.constant.plan import plan_matrix, stages_for
from fermatnet.hw.rtl.words import range_shape
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError

__all__ = ["ConstantAffine"]


class ConstantAffine(wiring.Component):
    """``y[c] = clip((x[c] * multiplier[c] + offset[c]) >> shift, lo, hi)`` for a stream of whole pixels.

    The shift is arithmetic (floor). Latency: ``plan``'s stages by the clock, and one. Throughput: one pixel a
    cycle.

    Parameters
    ----------
    multiplier, offset : (C,) int
    shift : int
        Not negative.
    lo, hi : int
        Inclusive bounds of the result.
    x_shape : Shape
        Of an incoming integer.
    x_range : (low, high)
        Inclusive range of every incoming integer.
    target : str
        "generic", "lut6", "ecp5" or "asic".
    clock_mhz : float

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, C))
    o : Out(stream of ArrayLayout(shape of lo..hi, C))
    """

    cycles = 1

    def __init__(
        self,
        multiplier: ArrayLike,
        offset: ArrayLike,
        shift: int,
        lo: int,
        hi: int,
        x_shape: Shape,
        *,
        x_range: Sequence[int],
        target: str = "generic",
        clock_mhz: float = 100.0,
    ):
        factors = np.asarray(multiplier, np.int64)
        if factors.ndim != 1 or not factors.size or np.shape(offset) != factors.shape:
            raise InputError(
                f"multiplier and offset must be (C,), not {factors.shape} and {np.shape(offset)}"
            )
        self.shift, self.lo, self.hi, self.channels = int(shift), int(lo), int(hi), factors.size
        low, high = x_range
        count, whole = self.channels, np.asarray(offset, np.int64).tolist()
        self.plan = plan_matrix(np.diag(factors), whole, [low] * count, [high] * count, target)
        self.stages = stages_for([self.plan], clock_mhz)
        self.latency = self.stages + 1
        self.x_shape, self.o_shape = Shape.cast(x_shape), range_shape(self.lo, self.hi)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, count))),
                "o": Out(stream.Signature(data.ArrayLayout(self.o_shape, count))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.latency)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        inputs = [self.i.payload[k] for k in range(self.channels)]
        core = MatrixCore(m, platform, self.plan, inputs, enables[: self.stages])
        with m.If(enables[-1]):
            for k, (result, limits) in enumerate(zip(core.results, self.plan.ranges, strict=True)):
                total = Signal(range_shape(*limits), name=f"total{k}")
                m.d.comb += total.eq(result)
                m.d.sync += self.o.payload[k].eq(self._clipped(total >> self.shift, limits))
        return m

    def _clipped(self, moved, limits):
        """Within lo..hi; a bound that cannot be passed is not compared with."""
        low, high = limits[0] >> self.shift, limits[1] >> self.shift
        result = Mux(moved > self.hi, self.hi, moved) if high > self.hi else moved
        return Mux(moved < self.lo, self.lo, result) if low < self.lo else result
