"""What block memory gives for a word that is written in the same cycle matters nowhere: rings and queues
leave it open (``no_rw_check``), here it is always wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module, Mux, Signal, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory

import fermatnet.hw.stream.fifo as fifo
import fermatnet.hw.stream.row_memory as row_memory
import fermatnet.hw.stream.window as window
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.stream.block_fifo import BlockFifo


class Clashing(Elaboratable):
    """A memory that reads the inverse of a word while it is written."""

    def __init__(self, *, shape, depth, init, attrs):
        assert attrs["no_rw_check"]
        self.memory, self.write = Memory(shape=shape, depth=depth, init=init), None

    def write_port(self):
        self.write = self.memory.write_port()
        return self.write

    def read_port(self, domain="sync"):
        self.inner = self.memory.read_port(domain=domain)
        self.read = SimpleNamespace(
            addr=Signal.like(self.inner.addr), en=Signal(init=1), data=Signal.like(self.inner.data)
        )
        return self.read

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self.memory
        clash = Signal()
        with m.If(self.read.en):
            m.d.sync += clash.eq(self.write.en & (self.write.addr == self.read.addr))
        m.d.comb += [self.inner.addr.eq(self.read.addr), self.inner.en.eq(self.read.en)]
        m.d.comb += self.read.data.eq(Mux(clash, ~self.inner.data, self.inner.data))
        return m


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(
    "kernel, stride, pad", [((3, 3), 1, 1), ((1, 1), 1, 0), ((2, 2), 2, 0), ((3, 2), 1, 0)]
)
# in one part; in two, whose writes come a cycle later; in blocks with a register behind, which read a cycle
# earlier
@pytest.mark.parametrize(("lanes", "clock"), [(2, None), (24, None), (2, Clock(150, "ecp5"))])
def test_windows(streams, monkeypatch, kernel, stride, pad, seed, lanes, clock):
    monkeypatch.setattr(row_memory, "in_blocks", lambda width, words: True)
    x = np.random.default_rng(0).integers(0, 8, (24 * 5, lanes)).tolist()

    def result():
        dut = window.SlidingWindow(
            unsigned(3),
            2 * lanes,
            3,
            4,
            kernel=kernel,
            stride=(stride,) * 2,
            pad=(pad,) * 4,
            lanes=lanes,
            repeats=1,
            clock=clock,
        )
        assert row_memory.RowMemory(3 * lanes, dut.window._depth, clock).own == bool(clock)
        assert len(row_memory.part_widths(3 * lanes, dut.window._depth)) == (lanes > 2) + 1
        return streams(dut, {"i": x}, {"o": 5 * dut.cycles}, seed=seed)[0]["o"]

    expected = result()
    original = row_memory.Memory
    monkeypatch.setattr(
        row_memory, "Memory", lambda **given: (Clashing if given["attrs"] else original)(**given)
    )
    assert result() == expected


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("depth", [3, 6])
def test_deep_queue(streams, monkeypatch, depth, seed):
    feed = np.random.default_rng(1).integers(0, 16, (80, 1)).tolist()
    monkeypatch.setattr(fifo, "Memory", Clashing)
    dut = fifo.Fifo(data.ArrayLayout(unsigned(4), 1), depth, deep=True)
    assert streams(dut, {"i": feed}, {"o": 80}, seed=seed)[0]["o"] == feed


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize(("lanes", "depth"), [(8, 64), (5, 40), (1, 60)])
def test_deep_queue_of_blocks(streams, monkeypatch, lanes, depth, seed):
    """Of any width: a tensor's may be less than that of the values of a block."""
    feed = np.random.default_rng(1).integers(0, 256, (300, lanes)).tolist()
    original = row_memory.Memory
    monkeypatch.setattr(
        row_memory, "Memory", lambda **given: (Clashing if given["attrs"] else original)(**given)
    )
    dut = BlockFifo(data.ArrayLayout(unsigned(8), lanes), depth)
    assert streams(dut, {"i": feed}, {"o": 300}, seed=seed)[0]["o"] == feed
