"""A constant matrix times a stream of vectors, one vector a cycle."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Module, Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.constant.core import chain
from fermatnet.hw.constant.factored import plan_chain
from fermatnet.hw.constant.plan import stages_for
from fermatnet.hw.piecewise.compressor.heap import TARGETS
from fermatnet.hw.rtl.words import range_shape, shape_range
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError

__all__ = ["ConstantMatrix"]


class ConstantMatrix(wiring.Component):
    """``y = W x + bias`` for every vector of a stream, all of it at once, without a memory or a multiplier.

    Sums of inputs that several outputs need are formed once (`fermatnet.hw.constant.sharing`); what is left
    of each output is added up by counters or adders, whichever the target makes cheaper.

    Latency: ``stages`` cycles. Throughput: one vector a cycle.

    Parameters
    ----------
    weight : (O, I) int
    bias : (O,) int, or empty for none
    x_shape : Shape
        Of an input value.
    target : str
        "generic", "lut6", "ecp5" or "asic": what it is made for.
    stages : int or None
        Register stages, at least 1, the last one at the output; None: as many as ``clock_mhz`` takes.
    clock_mhz : float
        Clock to aim at, by `fermatnet.hw.constant.plan.LEVEL_NS`.
    x_range : (low, high) or None
        Inclusive range of every input value, where it is narrower than its shape.

    Attributes
    ----------
    acc_shape : Shape
        Of a result, from the exact range of all outputs.
    plans : tuple of MatrixPlan
        One, or two one after the other; ``cost``: tables, ``depth``: adders and counters on the longest path.
    latency, cycles : int
        ``stages``; 1.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, I))
    o : Out(stream of ArrayLayout(acc_shape, O))
    """

    cycles = 1

    def __init__(
        self,
        weight: ArrayLike,
        bias: ArrayLike,
        x_shape: Shape,
        *,
        target: str = "generic",
        stages: int | None = None,
        clock_mhz: float = 100.0,
        x_range: Sequence[int] | None = None,
    ):
        self.weight, self.bias = np.asarray(weight, np.int64), np.asarray(bias, np.int64)
        if self.weight.ndim != 2 or not self.weight.size:
            raise InputError(f"weight must be (O, I) and not empty, not {self.weight.shape}")
        outputs, inputs = self.weight.shape
        if not self.bias.size:
            self.bias = np.zeros(outputs, np.int64)
        if self.bias.shape != (outputs,):
            raise InputError(f"bias must be ({outputs},) or empty, not {self.bias.shape}")
        if target not in TARGETS:
            raise InputError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
        if (stages is not None and stages < 1) or clock_mhz <= 0:
            raise InputError(
                f"stages must be at least 1 and the clock positive, not {stages} and {clock_mhz}"
            )
        self.x_shape, self.target = Shape.cast(x_shape), target
        low, high = shape_range(self.x_shape) if x_range is None else x_range
        ends = [low] * inputs, [high] * inputs
        self.plans = plan_chain(self.weight, self.bias.tolist(), *ends, target)
        lows, highs = zip(*self.plans[-1].ranges, strict=True)
        self.acc_shape = range_shape(min(0, *lows), max(0, *highs))
        self.stages = self.latency = stages_for(self.plans, clock_mhz) if stages is None else stages
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, inputs))),
                "o": Out(stream.Signature(data.ArrayLayout(self.acc_shape, outputs))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.stages)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        inputs = [self.i.payload[k] for k in range(self.weight.shape[1])]
        results = chain(m, platform, self.plans, inputs, enables)
        m.d.comb += [self.o.payload[k].eq(result) for k, result in enumerate(results)]
        return m
