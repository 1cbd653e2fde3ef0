"""A memory with its register, as registers, in Amaranth's simulator, and as cells of ECP5."""

import random
import shutil
import subprocess

import pytest

from fermatnet.hw.resources import elaborated, predict
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.block_rom import blocks
from fermatnet.hw.rtl.registered_rom import RegisteredRom
from fermatnet.hw.rtl.reloadable import Loader, LoadPlatform
from fermatnet.synth.netlist import models

# width, words: every shape of a block with one port and two, columns left over, depths off the powers of two
SIZES = [(45, 300), (20, 513), (11, 1500), (9, 4096), (3, 5000), (1, 9000)]


def _words(width, depth):
    chance = random.Random(width * depth)
    return [chance.getrandbits(width) for _ in range(depth)]


def _asked(depth):
    chance = random.Random(depth)
    return [depth - 1, 0, *(chance.randrange(depth) for _ in range(60))]


def _both(bench, folder):
    """What a bench displays with mem.v in ``folder``: with words from the file, and with the cells."""
    for options, cells in ([], ""), (["-DSYNTHESIS"], models.text("ecp5", {"DP16KD"})):
        (folder / "bench.v").write_text("\n".join(bench) + cells)
        command = ["iverilog", *options, "-s", "bench", "-o", "b.vvp", "bench.v", "mem.v"]
        subprocess.run(command, cwd=folder, check=True)
        done = subprocess.run(["vvp", "b.vvp"], cwd=folder, capture_output=True, text=True, check=True)
        found = [line for line in done.stdout.splitlines() if line.isdigit() or set(line) <= {"x", "X"}]
        yield found


@pytest.mark.parametrize("target", ["ecp5", "lut6"])
def test_two_cycles_in_the_simulator(target, read):
    """With columns that repeat, are constant, or the complement of another, and rows that repeat."""
    words = [word | word << 45 | (~word & 7) << 90 | 1 << 93 for word in _words(45, 64)] * 4
    rom, asked = RegisteredRom(94, words, target=target), _asked(256)
    assert rom.own == (target == "ecp5")
    seen = read(rom, [{"addr": address} for address in [*asked, 0]])
    assert seen[1:] == [words[address] for address in asked]


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
@pytest.mark.parametrize(("width", "depth"), SIZES)
def test_words(width, depth, tmp_path):
    """From the file as simulators read it, and from the contents of the cells."""
    words, asked = _words(width, depth), _asked(depth)
    rom = RegisteredRom(width, words, target="ecp5")
    text = verilog.emit(rom, "mem", tmp_path).verilog
    assert text.count("DP16KD #") == blocks(depth, width)
    steps = [f'addr = {at}; #1 clk = 1; #1 clk = 0; $display("%0d", q);' for at in [*asked, 0]]
    ports = ".clk(clk), .rst(1'b0), .addr(addr), .data(q)"
    bench = [f"module bench; reg clk = 0; reg [{len(rom.addr) - 1}:0] addr; wire [{width - 1}:0] q;"]
    bench += [f"mem dut({ports}); initial begin", *steps, "end endmodule\n"]
    for found in _both(bench, tmp_path):
        assert [int(line) for line in found[1:]] == [words[at] for at in asked]


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
def test_a_pipeline_that_stalls(tmp_path):
    """Read and register by their enables, the latter never without the former: from the file, and from the
    cells."""
    words, chance = _words(11, 1500), random.Random(5)
    verilog.emit(RegisteredRom(11, words, target="ecp5", enabled=True), "mem", tmp_path)
    steps, expected, read, held = [], [], None, None
    for _ in range(300):
        en, at = chance.randrange(2), chance.randrange(1500)
        load = en and chance.randrange(2)
        held, read = read if load else held, words[at] if en else read
        steps.append(f'addr = {at}; en = {en}; load = {load}; #1 clk = 1; #1 clk = 0; $display("%0d", q);')
        expected.append(held)
    ports = ".clk(clk), .rst(1'b0), .addr(addr), .en(en), .load(load), .data(q)"
    bench = ["module bench; reg clk = 0, en, load; reg [10:0] addr; wire [10:0] q;"]
    bench += [f"mem dut({ports}); initial begin", *steps, "end endmodule\n"]
    known = expected.index(next(word for word in expected if word is not None))
    for found in _both(bench, tmp_path):
        assert len(found) == 300 and [int(line) for line in found[known:]] == expected[known:]


def test_cells_only_where_they_are(tmp_path):
    """Not in plain Verilog, not for another family, a small memory or one that is deeper than a block; nor
    where contents change at run time."""
    words = _words(9, 400)

    def cells(width, words, *, target="ecp5", vendor=True):
        made = RegisteredRom(width, words, target=target)
        return "DP16KD" in verilog.emit(made, "mem", tmp_path, vendor=vendor).verilog

    assert cells(9, words)
    assert not cells(9, words, vendor=False) and not cells(9, words, target="lut6")
    assert not cells(9, words[:200]) and not cells(1, [1, 0, 0] * 6000)
    assert cells(9, words * 64)  # repeated rows make it no deeper
    rom = RegisteredRom(9, words, target="ecp5")
    loader = Loader()
    rom.elaborate(LoadPlatform(None, loader)).submodules.memory.elaborate(LoadPlatform(None, loader))
    assert loader.layout.length == 400


@pytest.mark.parametrize(
    ("width", "depth", "own"), [(304, 12, False), (72, 56, False), (36, 100, True), (3, 5000, True)]
)
def test_wide_words_that_are_few_are_tables_with_enables(width, depth, own):
    """As yosys chooses: a sixteenth of a block's price of 128 for each bit."""
    assert RegisteredRom(width, _words(width, depth), target="ecp5", enabled=True).own is own


def test_prediction():
    """Blocks without banks, and no register outside."""
    rom = RegisteredRom(11, _words(11, 1500), target="ecp5")
    found = predict(rom, "ecp5")
    assert (found.luts, found.ffs, found.brams) == (0, 0, 2)
    assert elaborated(RegisteredRom(11, _words(11, 1500)), "ecp5").registers == 11
