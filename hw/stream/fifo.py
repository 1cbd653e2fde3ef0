"""First in, first out, of exactly the stated capacity."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Fifo"]


class Fifo(wiring.Component):
    """Queue of ``depth`` beats; ``i.ready`` and ``o.valid`` come from registers only.

    Shallow queues read their memory without a clock (look-up tables or registers) and hold exactly ``depth``
    beats there; deep ones are block memory of ``depth`` - 1 beats and an output register.

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

    def elaborate(self, platform):
        m = Module()
        words = self.depth - 1 if self.deep else self.depth
        m.submodules.memory = memory = Memory(shape=self.width, depth=words, init=[])
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
        return m

    def _payload(self):
        payload = self.o.payload
        return payload.as_value() if hasattr(payload, "as_value") else payload
