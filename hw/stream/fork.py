"""One stream to several takers."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Fork"]


class Fork(wiring.Component):
    """Copies each beat to ``n`` streams; each may take it in a cycle of its own, the beat leaves when all
    have it.

    Latency: 0 (payload and valid pass through). Throughput: one beat per cycle. ``i.ready`` depends on the
    takers' ready only.

    Parameters
    ----------
    payload : ShapeLike
    n : int
        Number of takers, at least 1.

    Members
    -------
    i : In(stream), o0 ... o<n-1> : Out(stream)
    """

    latency = 0

    def __init__(self, payload, n):
        if n < 1:
            raise InputError(f"fork: needs at least one taker, not {n}")
        self.n = n
        super().__init__(
            {
                "i": In(stream.Signature(payload)),
                **{f"o{k}": Out(stream.Signature(payload)) for k in range(n)},
            }
        )

    @property
    def outputs(self):
        """The output streams, first to last."""
        return [getattr(self, f"o{k}") for k in range(self.n)]

    def elaborate(self, platform):
        m = Module()
        if self.n == 1:
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o0))
            return m
        done = Signal(self.n)  # has taken the beat that is offered
        taken = Signal(self.n)
        m.d.comb += self.i.ready.eq(taken.all())
        m.d.comb += taken.eq(Cat(done[k] | o.ready for k, o in enumerate(self.outputs)))
        for k, o in enumerate(self.outputs):
            m.d.comb += [o.payload.eq(self.i.payload), o.valid.eq(self.i.valid & ~done[k])]
        with m.If(self.i.valid):
            m.d.sync += done.eq(taken & ~self.i.ready.replicate(self.n))
        return m
