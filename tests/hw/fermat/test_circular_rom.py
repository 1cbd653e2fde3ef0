"""A memory that is read in a circle: its words, where they lie, and the blocks that are saved."""

import random

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from fermatnet.hw.fermat.circular_rom import CircularRom
from fermatnet.hw.rtl.platform import Platform
from fermatnet.model.fermat.block_memory import (
    block_rams,
    circle_memory,
    circle_rams,
    circle_rows,
    spare_group,
)


def test_blocks():
    """Words of 32 bits leave four over, and 25,600 of them take 45 blocks in place of 50; what saves no
    block, or has nothing over, stays as it is."""
    assert spare_group(32) == 8 and spare_group(36) == 0 and spare_group(8) == 8 and spare_group(68) == 17
    assert circle_rows(25600, 8) == 22756 and circle_rows(9, 8) == 8 and circle_rows(8, 8) == 8
    assert block_rams(32, 25600) == 50 and circle_rams(32, 25600) == (45, 8)
    assert circle_memory(32, 25600) == (36, 22756)
    assert circle_rams(36, 1024) == (2, 0) and circle_rams(32, 512) == (1, 0)
    assert circle_memory(32, 512) == (32, 512)


@pytest.mark.parametrize(
    ("width", "depth", "group"),
    [
        (5, 12, 2),
        (5, 13, 2),
        (5, 14, 2),
        (8, 27, 8),
        (8, 30, 8),
        (7, 6, 3),
        (4, 3, 1),
        (6, 9, 4),
        (6, 10, 0),
        (6, 1, 4),
    ],
)
@pytest.mark.parametrize("loads", [False, True])
def test_words_in_turn(width, depth, group, loads):
    """Every word in its turn, through two circles and more, with pauses; a word stays until the next step."""
    draw = random.Random(width * depth)
    words = [draw.randrange(1 << width) for _ in range(depth)]
    design = CircularRom(width, words, "m", group=group)
    platform = Platform()
    platform.reloadable = loads
    sim = Simulator(Fragment.get(design, platform))
    sim.add_clock(1e-6)

    async def bench(ctx):
        at = None
        for _ in range(depth * 8):
            step = draw.random() < 0.7
            ctx.set(design.step, step)
            await ctx.tick()
            at = (-1 if at is None else at) + 1 if step else at
            if at is not None:
                assert ctx.get(design.data) == words[at % depth], at

    sim.add_testbench(bench)
    sim.run()
