# amaranth: UnusedElaboratable=no
"""A deep queue in block memory of ECP5 that is read through the blocks' own registers."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.credits import Credits, places_needed
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.result_queue import ResultQueue
from fermatnet.hw.stream.row_memory import RowMemory

__all__ = ["BlockFifo"]


class BlockFifo(wiring.Component):
    """What `fermatnet.hw.stream.fifo.Fifo` is where a deep one's word comes too late from its block for the
    clock: words leave the memory as soon as places of a small queue behind it are free.

    Latency: 4 cycles. Throughput: one beat a cycle.

    Parameters
    ----------
    layout : ArrayLayout
        Of a beat.
    depth : int
        Beats that it holds at least; the small queue's `PLACES` come on top.

    Members
    -------
    i : In(stream of layout), o : Out(stream of layout); ``i.ready`` comes from a register.
    """

    READ = 2  # cycles from an address to its word
    PLACES = places_needed(1, READ + 1)

    latency = READ + 2

    def __init__(self, layout: data.ArrayLayout, depth: int):
        self.layout, self.depth = layout, depth
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    @staticmethod
    def pays(width: int, depth: int, clock: Clock | None) -> bool:
        """Whether a queue of ``depth`` beats of ``width`` bits is one of these for ``clock``."""
        return Fifo.is_deep(width, depth) and RowMemory(width, depth, clock).own

    def elaborate(self, platform):
        m = Module()
        depth, places = self.depth, range(max(2, self.depth))
        m.submodules.ring = ring = RowMemory(self.layout.size, depth, own=True)
        m.submodules.queue = queue = ResultQueue(self.layout, self.PLACES)
        m.submodules.credits = credits = Credits(self.PLACES)
        write, read = Signal(places), Signal(places)
        level, following = Signal(range(depth + 1)), Signal(range(depth + 1))  # beats still to be read
        some, full = Signal(), Signal()
        accept, fetch = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            accept.eq(self.i.valid & ~full),
            fetch.eq(some & credits.room),
            following.eq(level + accept - fetch),
            ring.write.addr.eq(write),
            ring.write.en.eq(accept),
            ring.write.data.eq(self.i.payload.as_value()),
            ring.addr.eq(read),
        ]
        m.d.sync += [level.eq(following), some.eq(following != 0), full.eq(following == depth)]
        for address, advance in ((write, accept), (read, fetch)):
            with m.If(advance):
                m.d.sync += address.eq(Mux(address == depth - 1, 0, address + 1))
        comes = fetch
        for k in range(self.READ):
            later = Signal(name=f"read{k}")
            m.d.sync += later.eq(comes)
            comes = later
        m.d.comb += [
            credits.reserve.eq(fetch),
            credits.leave.eq(self.o.valid & self.o.ready),
            queue.put.eq(comes.replicate(queue.copies)),
            queue.result.eq(ring.data),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        return m
