"""The UART: bits as they are specified, short pulses and broken bytes."""

import pytest
from amaranth.sim import Simulator

from fermatnet.boards.link.uart import LEAST_DIVISOR, UartReceiver, UartTransmitter
from fermatnet.model.errors import InputError

from ..line import bits_of


def received(divisor, levels):
    """(bytes, broken ones) that a receiver makes of (level, cycles) pairs."""
    dut, got, broken = UartReceiver(divisor), [], []

    async def drive(ctx):
        for level, cycles in levels:
            ctx.set(dut.rx, level)
            await ctx.tick().repeat(cycles)
        await ctx.tick().repeat(4 * divisor)

    async def watch(ctx):
        async for _, _, strobe, data, bad in ctx.tick().sample(dut.strobe, dut.data, dut.broken):
            got.extend([data] if strobe else [])
            broken.extend([1] if bad else [])

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    return bytes(got), len(broken)


@pytest.mark.parametrize("divisor", [4, 5, 16])
def test_bytes_in_a_row(divisor):
    sent = bytes([0x00, 0xFF, 0x55, 0xAA, 0x7E, 0x01, 0x80])
    assert received(divisor, [(1, 7), *((bit, divisor) for bit in bits_of(sent))]) == (sent, 0)


def test_a_sender_that_is_three_percent_off():
    """One bit of 100 cycles on this side, 97 or 103 on the other."""
    for cycles in (97, 103):
        sent = bytes(range(0, 256, 37))
        assert received(100, [(1, 9), *((bit, cycles) for bit in bits_of(sent))]) == (sent, 0)


def test_a_short_pulse_is_no_byte():
    sent = [(1, 20), (0, 3), (1, 60), *((bit, 8) for bit in bits_of(b"A")), (1, 8)]
    assert received(8, sent) == (b"A", 0)


def test_a_byte_without_stop_bit_and_a_break():
    without_stop = [(bit, 8) for bit in bits_of(b"A")][:-1]
    after = [(1, 30), *((bit, 8) for bit in bits_of(b"B"))]
    assert received(8, [(1, 9), *without_stop, (0, 8), *after]) == (b"B", 1)
    assert received(8, [(1, 9), (0, 500), *after]) == (b"B", 1)  # one long break is one broken byte


def test_sent_bits_are_those_of_the_standard():
    dut, levels = UartTransmitter(4), []

    async def drive(ctx):
        for byte in b"\x35\xca":
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(50)

    async def watch(ctx):
        async for _, _, level in ctx.tick().sample(dut.tx):
            levels.append(level)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    first = levels.index(0)
    assert [levels[first + 1 + 4 * k] for k in range(10)] == bits_of(b"\x35")
    second = first + 40 + levels[first + 40 :].index(0)
    assert second - first <= 42  # one byte after the other
    assert [levels[second + 1 + 4 * k] for k in range(10)] == bits_of(b"\xca")


def test_a_bit_needs_four_cycles():
    for make in (UartReceiver, UartTransmitter):
        with pytest.raises(InputError, match=r"at least 4 clock cycles, not 3: take a lower baud rate"):
            make(LEAST_DIVISOR - 1)
