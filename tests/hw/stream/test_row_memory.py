"""The memory of a window's rows: its parts, and that they are one memory."""

import random

import pytest
from amaranth.sim import Simulator

from fermatnet.hw.rtl.verilog import emit
from fermatnet.hw.stream.row_memory import RowMemory, part_widths


def test_parts():
    """Wide and shallow: whole columns of distributed memory; a deep memory is block memory's own affair."""
    assert part_widths(48, 32) == [48] and part_widths(192, 32) == [48] * 4
    assert part_widths(100, 48) == [48, 48, 4] and part_widths(192, 49) == [192]


@pytest.mark.parametrize(("bits", "depth"), [(5, 1), (7, 6), (100, 12)])
def test_words(bits, depth):
    """Each word as it was written last, two cycles after its address; what is being written may be
    anything."""
    design, draw = RowMemory(bits, depth), random.Random(bits)
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
