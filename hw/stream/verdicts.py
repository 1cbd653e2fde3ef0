# amaranth: UnusedElaboratable=no
"""Verdicts of several inputs for several outputs: an image is bad where one of its inputs is."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.fork import Fork

__all__ = ["Verdicts"]


class Verdicts(wiring.Component):
    """Joins the verdicts of ``inputs`` streams, image by image, and gives each of ``outputs`` its own queue
    of them, because outputs are not at the same image.

    Latency: 0 cycles with one output, else 1. Throughput: one verdict a cycle.

    Parameters
    ----------
    inputs, outputs : int
    depth : int
        Of each queue: images between their last input beat and their last result at one time.

    Members: i0, i1, ... : In(stream of 1), o0, o1, ... : Out(stream of 1).
    """

    def __init__(self, inputs: int, outputs: int, depth: int):
        self.inputs, self.outputs, self.depth = inputs, outputs, depth
        super().__init__(
            {
                **{f"i{k}": In(stream.Signature(1)) for k in range(inputs)},
                **{f"o{k}": Out(stream.Signature(1)) for k in range(outputs)},
            }
        )

    def elaborate(self, platform):
        m = Module()
        ports = [getattr(self, f"i{k}") for k in range(self.inputs)]
        m.submodules.fork = fork = Fork(1, self.outputs)
        m.d.comb += fork.i.valid.eq(self._every(port.valid for port in ports))
        m.d.comb += fork.i.payload.eq(~self._every(~port.payload for port in ports))
        m.d.comb += [port.ready.eq(fork.i.valid & fork.i.ready) for port in ports]
        for k, taker in enumerate(fork.outputs):
            if self.outputs > 1:
                m.submodules[f"queue{k}"] = queue = Fifo(1, self.depth)
                wiring.connect(m, taker, queue.i)
                taker = queue.o
            wiring.connect(m, taker, wiring.flipped(getattr(self, f"o{k}")))
        return m

    @staticmethod
    def _every(values):
        first, *rest = values
        for value in rest:
            first &= value
        return first
