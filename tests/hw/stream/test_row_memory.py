"""The memory of a window's rows: its parts, and that they are one memory."""

import random

import pytest
from amaranth.sim import Simulator

from fermatnet.hw.resources import predict
from fermatnet.hw.rtl.clock import Clock
from fermatnet.hw.rtl.verilog import emit
from fermatnet.hw.stream.row_memory import RowMemory, part_widths


def test_parts():
    """Wide and shallow: whole columns of distributed memory; a deep memory is block memory's own affair."""
    assert part_widths(48, 32) == [48] and part_widths(192, 32) == [48] * 4
    assert part_widths(100, 48) == [48, 48, 4] and part_widths(192, 49) == [192]


@pytest.mark.parametrize(
    ("bits", "depth", "clock"), [(5, 1, None), (7, 6, None), (100, 12, None), (36, 96, Clock(150, "ecp5"))]
)
def test_words(bits, depth, clock):
    """Each word as it was written last, two cycles after its address; what is being written may be
    anything."""
    design, draw = RowMemory(bits, depth, clock), random.Random(bits)
    assert design.own == bool(clock)
    sim = Simulator(design)
    sim.add_clock(1e-6)

    async def bench(ctx):
        kept, asked, seen, written = {}, [], 0, []
        for _ in range(300):
            at, word, en = draw.randrange(depth), draw.randrange(1 << bits), draw.random() < 0.4
            ask = draw.randrange(depth)
            ctx.set(design.write.addr, at)
            ctx.set(design.write.data, word)
            ctx.set(design.write.en, en)
            ctx.set(design.addr, ask)
            await ctx.tick()
            asked.append(ask)
            written = [*written[-1:], at if en else None]
            if len(asked) > 1 and asked[-2] in kept and asked[-2] not in written:
                assert ctx.get(design.data) == kept[asked[-2]]
                seen += 1
            if en:
                kept[at] = word
        assert seen > 50

    sim.add_testbench(bench)
    sim.run()


def test_addresses_stay_apart():
    """Each part of the Verilog has an address of its own, bit by bit in a module that is kept."""
    text = emit(RowMemory(100, 12), "rows").verilog
    assert text.count("rows_copy ") + text.count("rows_copy_set ") >= 3 * 4
    assert "keep_hierarchy" in text


def test_blocks_with_their_registers_where_a_word_would_come_late():
    """On ECP5 at a short clock, of what yosys would keep in blocks; predicted without registers outside."""
    fast = Clock(150, "ecp5")
    others = [Clock(100, "ecp5"), Clock(150, "lut6"), Clock(300, "generic"), None]
    assert not any(RowMemory(36, 96, clock).own for clock in others)
    assert not RowMemory(192, 32, fast).own and not RowMemory(4, 16, fast).own
    memory = RowMemory(40, 300, fast)
    assert emit(memory, "rows").verilog.count("DP16KD #") == 2
    assert "DP16KD" not in emit(RowMemory(40, 300, fast), "rows", vendor=False).verilog
    found = predict(RowMemory(40, 300, fast), "ecp5")
    assert (found.luts, found.ffs, found.brams) == (0, 0, 2)
