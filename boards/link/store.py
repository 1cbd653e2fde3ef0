"""Frames between the line and the network: written byte by byte, seen only when they were found whole."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Store"]


class Store(wiring.Component):
    """A queue of bytes whose writer may take back what it has not committed, and may write out of order.

    Latency: 2 cycles from ``commit`` to ``o.valid``. Throughput: one byte a cycle.

    Parameters
    ----------
    depth : int
        Bytes, a power of two.

    Members
    -------
    offset : In, data : In(8), write : In(1)
        A byte ``offset`` bytes behind those committed.
    length : In, commit : In(1)
        The next ``length`` bytes are right and may be read.
    free : Out
        Bytes that may be written.
    o : Out(stream of 8 bits)
    """

    def __init__(self, depth):
        if depth < 2 or depth & (depth - 1):
            raise InputError(f"the store's depth must be a power of two, not {depth}")
        self.depth, self.bits = depth, depth.bit_length()
        super().__init__(
            {
                "offset": In(self.bits),
                "data": In(8),
                "write": In(1),
                "length": In(self.bits),
                "commit": In(1),
                "free": Out(self.bits),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=[])
        writer, reader = memory.write_port(), memory.read_port()
        base, at, fetch = Signal(self.bits), Signal(self.bits), Signal()
        m.d.comb += [
            writer.addr.eq((base + self.offset)[: self.bits - 1]),
            writer.data.eq(self.data),
            writer.en.eq(self.write),
            reader.addr.eq(at),
            reader.en.eq(fetch),
            fetch.eq((at != base) & (self.o.ready | ~self.o.valid)),
            self.o.payload.eq(reader.data),
        ]
        m.d.sync += self.free.eq(self.depth - (base - at)[: self.bits])
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += self.o.valid.eq(fetch)
        with m.If(fetch):
            m.d.sync += at.eq(at + 1)
        with m.If(self.commit):
            m.d.sync += base.eq(base + self.length)
        return m
