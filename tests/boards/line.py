"""A host's end of the line for Amaranth's simulator, and a small network behind the link."""

import random

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from fermatnet.boards.link.link import Link
from fermatnet.boards.link.protocol import body, wire


class Sums(wiring.Component):
    """A network of ``beats`` bytes to two beats of 16 bits: the sum of the bytes, and of byte * (index +
    1)."""

    def __init__(self, beats, latency=20):
        self.beats, self.latency = beats, latency
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "last": In(1),
                "o": Out(stream.Signature(16)),
            }
        )

    @staticmethod
    def expected(image: bytes) -> bytes:
        total = sum(image) & 0xFFFF
        weighted = sum(byte * (k + 1) for k, byte in enumerate(image)) & 0xFFFF
        return total.to_bytes(2, "little") + weighted.to_bytes(2, "little")

    def elaborate(self, platform):
        m = Module()
        total, weighted, at, wait = (
            Signal(16),
            Signal(16),
            Signal(16, init=1),
            Signal(range(self.latency + 1)),
        )
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [total.eq(total + self.i.payload), at.eq(at + 1), wait.eq(self.latency)]
                    m.d.sync += weighted.eq(weighted + self.i.payload * at)
                    with m.If(self.last):
                        m.next = "WAIT"
            with m.State("WAIT"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(total)]
                with m.If(self.o.ready):
                    m.next = "SECOND"
            with m.State("SECOND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(weighted)]
                with m.If(self.o.ready):
                    m.d.sync += Cat(total, weighted).eq(0)
                    m.d.sync += at.eq(1)
                    m.next = "TAKE"
        return m


class WithNetwork(wiring.Component):
    """A link with `Sums` behind it."""

    def __init__(self, plan):
        self.link, self.network = Link(plan), Sums(plan.image_beats)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "restart": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.link, m.submodules.network = link, network = self.link, self.network
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx), self.restart.eq(link.restart)]
        wiring.connect(m, link.image, network.i)
        wiring.connect(m, network.o, link.result)
        m.d.comb += network.last.eq(link.image_last)
        return m


def bits_of(data: bytes) -> list[int]:
    """The levels of the line for ``data``, one a bit."""
    return [bit for byte in data for bit in (0, *((byte >> k) & 1 for k in range(8)), 1)]


class Line:
    """Runs a component with ``rx`` and ``tx`` against bits sent; collects the bytes it sends.

    ``jitter``: each byte is preceded by up to so many idle cycles.
    """

    def __init__(self, dut, divisor, jitter=0, seed=0):
        self.dut, self.divisor, self.jitter, self.random = dut, divisor, jitter, random.Random(seed)
        self.received = bytearray()

    def run(self, sent: bytes, cycles: int) -> bytes:
        """Sends ``sent`` and listens until ``cycles`` after its end."""
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)

        async def send(ctx):
            await self._send(ctx, sent, cycles)

        simulator.add_testbench(self._listen, background=True)
        simulator.add_testbench(send)
        simulator.run()
        return bytes(self.received)

    async def _send(self, ctx, sent, cycles):
        for byte in sent:
            for bit in bits_of(bytes([byte])):
                ctx.set(self.dut.rx, bit)
                await ctx.tick().repeat(self.divisor)
            if self.jitter:
                await ctx.tick().repeat(1 + self.random.randrange(self.jitter))
        await ctx.tick().repeat(cycles)

    async def _listen(self, ctx):
        while True:
            while ctx.get(self.dut.tx):
                await ctx.tick()
            await ctx.tick().repeat(self.divisor // 2)
            byte = 0
            for k in range(8):
                await ctx.tick().repeat(self.divisor)
                byte |= ctx.get(self.dut.tx) << k
            await ctx.tick().repeat(self.divisor)
            if ctx.get(self.dut.tx):
                self.received.append(byte)


def frame(kind, sequence, payload=b""):
    """A frame as it goes over the wire."""
    return wire(body(kind, sequence, payload))
