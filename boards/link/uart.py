"""The two halves of a UART: 8 data bits, no parity, one stop bit, least significant bit first."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["LEAST_DIVISOR", "UartReceiver", "UartTransmitter", "check_divisor"]

LEAST_DIVISOR = 4
"""Clock cycles a bit below which a bit is not sampled near its middle."""


def check_divisor(divisor: int) -> int:
    """``divisor``; InputError when it is below `LEAST_DIVISOR`."""
    if divisor < LEAST_DIVISOR:
        raise InputError(
            f"a bit must last at least {LEAST_DIVISOR} clock cycles, not {divisor}: take a lower baud rate"
        )
    return divisor


class UartReceiver(wiring.Component):
    """Bits to bytes, each sampled in its middle.

    Latency: 2 cycles of synchronisation, then half a bit after the middle of the stop bit's begin. A byte
    cannot wait: whoever listens takes it at once.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit, at least 4.

    Members
    -------
    rx : In(1)
    data : Out(8), strobe : Out(1)
        A byte, valid for the one cycle of ``strobe``.
    broken : Out(1)
        For one cycle: a byte without stop bit.
    """

    def __init__(self, divisor):
        self.divisor = check_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "data": Out(8), "strobe": Out(1), "broken": Out(1)})

    def elaborate(self, platform):
        m = Module()
        line, timer, left = Signal(init=1), Signal(range(2 * self.divisor)), Signal(range(11))
        bits, resting = Signal(9), Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)
        m.d.comb += self.data.eq(bits[:8])
        m.d.sync += [self.strobe.eq(0), self.broken.eq(0)]
        with m.If(left == 0):
            # after a byte without stop bit the line has to rest before another can begin
            m.d.sync += [resting.eq(resting | line), timer.eq(self.divisor // 2 - 1)]
            with m.If(resting & ~line):
                m.d.sync += left.eq(10)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.divisor - 1), left.eq(left - 1)]
            with m.If(left == 10):  # the middle of the start bit: a shorter pulse was noise
                m.d.sync += left.eq(Mux(line, 0, left - 1))
            with m.Elif(left == 1):
                m.d.sync += [self.strobe.eq(line), self.broken.eq(~line), resting.eq(line)]
            with m.Else():
                m.d.sync += bits[:8].eq(Cat(bits[1:8], line))
        return m


class UartTransmitter(wiring.Component):
    """Bytes to bits.

    Latency: the start bit begins in the cycle after a byte is taken. Throughput: one byte in 10 bits.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit, at least 4.

    Members
    -------
    i : In(stream of 8 bits)
    tx : Out(1)
        From a register; 1 when idle.
    """

    def __init__(self, divisor):
        self.divisor = check_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer, left, bits = Signal(range(self.divisor)), Signal(range(11)), Signal(10, init=0x3FF)
        last = timer == 0
        m.d.comb += [self.i.ready.eq(left == 0), self.tx.eq(bits[0])]
        with m.If(left == 0):
            m.d.sync += timer.eq(self.divisor - 1)
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(10)]
        with m.Else():
            m.d.sync += timer.eq(Mux(last, self.divisor - 1, timer - 1))
            with m.If(last):
                m.d.sync += [bits.eq(Cat(bits[1:], Const(1, 1))), left.eq(left - 1)]
        return m
