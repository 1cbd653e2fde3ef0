"""Memories as narrow as their content: the words that come out are those that went in, and what is held is
what was counted by hand."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from fermatnet.hw.rtl.packing import Packing
from fermatnet.hw.rtl.rom import Rom
from fermatnet.hw.rtl.verilog import emit
from fermatnet.model.fermat.block_memory import block_rams


def read(rom, addresses):
    """Words that the memory gives in Amaranth's simulator."""
    seen = []

    async def bench(ctx):
        ctx.set(rom.en, 1)
        for address in addresses:
            ctx.set(rom.addr, address)
            await ctx.tick()
            seen.append(ctx.get(rom.data))

    m = Module()
    m.submodules.rom = rom
    m.d.sync += Signal().eq(1)  # a memory of one word has no clock
    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def levels(count, bits, lanes, depth, seed=0):
    """Words of ``lanes`` codes 0..count-1 of ``bits`` each."""
    codes = np.random.default_rng(seed).integers(0, count, (depth, lanes))
    return [sum(int(code) << bits * lane for lane, code in enumerate(row)) for row in codes]


CASES = {
    # width, words, kept width, kept depth
    "one word": (9, [300], 0, 1),
    "equal words": (5, [21] * 32, 0, 1),
    "constant and equal columns": (8, [(k * 37 % 32) | 0x80 | (k * 37 % 2) << 6 for k in range(32)], 5, 32),
    "complements": (2, [1 + (k * 7 % 11 > 4) for k in range(33)], 1, 33),
    "repeated rows": (6, [k * 29 % 61 for k in range(32)] * 4, 6, 32),
    "nothing to leave out": (4, [k * 7 % 16 for k in range(19)], 4, 19),
    "three levels": (48, levels(3, 2, 24, 4096), 40, 4096),
    "five levels": (96, levels(5, 3, 32, 2048), 80, 2048),
}


@pytest.mark.parametrize("name", CASES)
def test_words(name):
    """Every word is read back; what is held is as narrow as stated. 24 codes of three values go five bits
    for three, 32 of five values five bits for two."""
    width, words, kept_width, kept_depth = CASES[name]
    packing = Packing(width, words)
    assert (packing.kept_width, len(packing.kept_words)) == (kept_width, kept_depth)
    assert all(word < 1 << max(1, kept_width) for word in packing.kept_words)
    rom = Rom(width, words)
    some = range(len(words)) if len(words) < 200 else range(0, len(words), 37)
    assert read(rom, some) == [words[at] for at in some]
    assert rom.minimal == (name == "nothing to leave out")


def test_small_memories_keep_their_words():
    """Up to sixteen words synthesis sees into a memory; no tables are spent where no block is saved."""
    assert Rom(8, [1, 3, 5, 7]).minimal
    few = levels(3, 2, 12, 64)
    assert Packing(24, few).kept_width == 24 and block_rams(24, 64) == 0
    one = levels(5, 3, 16, 2048)
    assert Packing(48, one).kept_width == 48 and block_rams(48, 2048) - block_rams(40, 2048) == 1


def test_a_corrupted_code_is_seen():
    """The test above can fail: one flipped bit of what is held changes a word."""
    words = levels(5, 3, 32, 2048)
    rom = Rom(96, words)
    rom.packing.kept_words[37] ^= 1 << 3
    assert read(rom, [37, 74]) != [words[37], words[74]]


def test_file(tmp_path):
    """The file holds the narrow words; a memory of one word has none."""
    words = levels(5, 3, 32, 2048)
    assert emit(Rom(9, [300]), "top").memories == {}
    (text,) = emit(Rom(96, words), "top").memories.values()
    assert text.split()[0] == f"{Packing(96, words).kept_words[0]:020x}" and len(text.split()) == 2048


def test_columns_of_few_rows_are_kept_as_they_are():
    """Each is one table then; codes, which save block memory, would stand beside it."""
    rng = np.random.default_rng(0)
    planes = rng.permuted(np.tile([0, 1, 3, 0], (72, 64)), axis=1)  # three levels in two bits
    for rows, coded in ((36, False), (72, True)):
        words = [sum(int(level) << 2 * place for place, level in enumerate(row)) for row in planes[:rows]]
        packing = Packing(512, words)
        assert any(group.patterns for group in packing.groups) == coded
        assert (packing.kept_width < 512) == coded
