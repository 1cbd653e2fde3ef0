"""First in, first out, of exactly the stated capacity."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Fifo"]

IN_REGISTERS = 8
"""Bits up to which registers take less than a memory with its counters."""


class Fifo(wiring.Component):
    """Queue of ``depth`` beats; ``i.ready`` and ``o.valid`` come from registers only.

    Queues of `IN_REGISTERS` bits or of two places are registers in a row, whose first one is the output, so
    that the payload, too, comes from registers; other shallow ones read their memory without a clock (look-up
    tables), and hold exactly ``depth`` beats there; deep ones are block memory of ``depth`` - 1 beats and an
    output register.

    Latency: 1 cycle (shallow) or 2 (deep). Throughput: one beat per cycle for depth >= 2 (shallow) or 3
    (deep), half of it at depth 1.

    Parameters
    ----------
    payload : ShapeLike
    depth : int
        Capacity in beats, at least 1.
    deep : bool or None
        Block memory; None: for more than 2048 bits in more than 32 beats.

    Members
    -------
    i : In(stream), o : Out(stream)
    """

    def __init__(self, payload, depth, *, deep=None):
        if depth < 1:
            raise InputError(f"fifo: depth must be at least 1, not {depth}")
        self.width = Shape.cast(payload).width
        self.deep = self.is_deep(self.width, depth) if deep is None else deep
        if self.deep and depth < 3:
            raise InputError(f"fifo: block memory needs a depth of at least 3, not {depth}")
        self.depth = depth
        self.latency = 2 if self.deep else 1
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    @staticmethod
    def is_deep(width, depth):
        """Whether a queue of ``depth`` elements of ``width`` bits is kept in block memory."""
        return depth > 32 and depth * width > 2048

    @property
    def row(self):
        """Whether the queue is registers in a row."""
        return not self.deep and (self.depth <= 2 or self.depth * self.width <= IN_REGISTERS)

    def elaborate(self, platform):
        m = Module()
        if self.row:
            self._row(m)
        else:
            self._memory(m)
        return m

    def _row(self, m):
        """A beat goes to the first place that is free when the one before it has left."""
        here = [Signal(name=f"here{k}") for k in range(self.depth)]
        held = [Signal(self.width, name=f"place{k}", reset_less=True) for k in range(self.depth)]
        m.d.comb += [self.i.ready.eq(~here[-1]), self.o.valid.eq(here[0]), self._payload().eq(held[0])]
        for k in range(self.depth):
            ahead = here[k - 1] if k else 1
            behind = here[k + 1] if k + 1 < self.depth else 0
            comes = ahead & ~here[-1] & self.i.valid  # into this place, or the one before where that empties
            with m.If(self.o.ready | ~here[k]):
                following = held[k + 1] if k + 1 < self.depth else self.i.payload
                m.d.sync += held[k].eq(Mux(behind, following, self.i.payload))
            m.d.sync += here[k].eq(Mux(here[0] & self.o.ready, behind | (here[k] & comes), here[k] | comes))

    def _memory(self, m):
        words = self.depth - 1 if self.deep else self.depth
        # deep: no word is read in the cycle in which it is written
        attrs = {"no_rw_check": 1} if self.deep else {}
        m.submodules.memory = memory = Memory(shape=self.width, depth=words, init=[], attrs=attrs)
        write, read = memory.write_port(), memory.read_port(domain="sync" if self.deep else "comb")
        w, r = Signal(range(max(2, words))), Signal(range(max(2, words)))
        level = Signal(range(words + 1))  # beats in the memory
        accept, fetch = Signal(), Signal()
        m.d.comb += [self.i.ready.eq(level != words), accept.eq(self.i.valid & self.i.ready)]
        m.d.comb += [write.addr.eq(w), write.data.eq(self.i.payload), write.en.eq(accept), read.addr.eq(r)]
        with m.If(accept):
            m.d.sync += w.eq(Mux(w == words - 1, 0, w + 1))
        with m.If(fetch):
            m.d.sync += r.eq(Mux(r == words - 1, 0, r + 1))
        m.d.sync += level.eq(level + accept - fetch)
        if self.deep:
            m.d.comb += [fetch.eq((level != 0) & (self.o.ready | ~self.o.valid)), read.en.eq(fetch)]
            with m.If(self.o.ready | ~self.o.valid):
                m.d.sync += self.o.valid.eq(level != 0)
        else:
            m.d.comb += [self.o.valid.eq(level != 0), fetch.eq(self.o.valid & self.o.ready)]
        m.d.comb += self._payload().eq(read.data)

    def _payload(self):
        payload = self.o.payload
        return payload.as_value() if hasattr(payload, "as_value") else payload
