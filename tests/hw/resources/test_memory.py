"""Memories by the rules of yosys' libraries."""

import numpy as np
import pytest

from fermatnet.hw.resources.contents import Store
from fermatnet.hw.resources.memory import kept


def test_memories_by_price():
    rng = np.random.default_rng(0)

    def rom(words, width):
        return Store(words, width, tuple(int(w) for w in rng.integers(0, 1 << width, words)), True)

    assert kept(rom(64, 30), "xc7") == (30.0, 30.0, 0.0, "tables")  # one table a bit
    assert kept(rom(128, 30), "xc7")[0] == 60.0
    assert kept(rom(1024, 16), "xc7")[2:] == (0.5, "block")
    assert kept(rom(64, 30), "ecp5")[2:] == (0.0, "tables")  # 120 of a block's 128
    assert kept(rom(80, 30), "ecp5")[2:] == (1.0, "block")
    assert kept(Store(8, 24, None, False), "xc7") == (16.0, 0.0, 0.0, "distributed")
    assert kept(Store(1024, 32, None, True), "xc7")[2:] == (1.0, "block")
    assert kept(Store(64, 20, (5,) * 64, True), "xc7")[:2] == (0.0, 0.0)  # constant columns cost nothing


@pytest.mark.parametrize(
    "words, width, family, kind",
    [
        (160, 12, "xc7", "distributed"),
        (114, 20, "xc7", "distributed"),
        (160, 16, "xc7", "block"),
        (221, 11, "xc7", "block"),
        (128, 24, "xc7", "block"),
        (63, 24, "ecp5", "distributed"),
        (128, 12, "ecp5", "block"),
        (36, 64, "ecp5", "distributed"),
        (161, 16, "ecp5", "block"),
    ],
)
def test_near_the_price_of_a_block(words, width, family, kind):
    """Which of the two yosys 0.70 made in synthesised layers."""
    assert kept(Store(words, width, None, True), family)[3] == kind


@pytest.mark.parametrize(
    "family, tables, registers, blocks", [("xc7", 3, 2, 0.5), ("ecp5", 6, 2, 1), ("ice40", 12, 3, 4)]
)
def test_banks_of_a_deep_constant_memory_lie_beside_each_other(family, tables, registers, blocks):
    """4,608 words of 3 bits, as yosys 0.70 made them, but for three tables more in ice40 than there."""
    words = tuple(int(word) for word in np.random.default_rng(1).integers(0, 5, 4608))
    assert kept(Store(4608, 3, words, True), family) == (tables, registers, blocks, "block")
    written = kept(Store(4608, 3, None, True), family)
    assert written[2] > blocks  # whose banks are written one by one


def test_a_block_read_as_it_is_written():
    """xc7's give the old word by themselves; around ecp5's yosys keeps word and address for a cycle and
    passes the word on."""
    queue = Store(499, 24, None, True)
    assert kept(queue, "xc7") == (0.0, 0.0, 0.5, "block")
    tables, registers, blocks, kind = kept(queue, "ecp5")
    assert tables > 24 and (registers, blocks, kind) == (24 + 24 + 9 + 2, 1.0, "block")


def test_ice40_has_blocks_and_registers_only():
    """A memory that is read at once is a block as well, as yosys 0.70 made the sums of a pool: it takes the
    register of the address in."""
    assert kept(Store(32, 15, None, False), "ice40")[2:] == (1.0, "block")
    assert kept(Store(64, 19, None, False), "ice40")[2:] == (2.0, "block")
    assert kept(Store(5, 12, None, False), "ice40")[3] == kept(Store(5, 12, None, True), "ice40")[3]
    assert kept(Store(5, 12, None, False), "ice40")[3] == "registers"
