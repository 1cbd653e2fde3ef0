"""A memory of ECP5's blocks that is written and read at once: as simulators read it, and its cells."""

import random
import shutil
import subprocess

import pytest

from fermatnet.hw.rtl.block_ram import block_ram, in_blocks, ram_shape
from fermatnet.synth.netlist import models

# width, words: every shape of a block, columns left over, depths off the powers of two
SIZES = [(40, 300), (36, 512), (20, 700), (9, 2048), (10, 1500), (3, 4000), (3, 5000), (1, 9000)]


def _walk(width, words):
    """Lines that move every port of ``mem``, and what it has to give after each (None: anything): the word of
    the address of a cycle before, but one that was then written."""
    draw = random.Random(width * words)
    steps, expected, held, read, given = [], [], {}, None, None
    for _ in range(400):
        at = draw.choice([0, 1, words - 1, words // 2, draw.randrange(words)])
        ask = draw.choice([*held, at])
        en, word = draw.randrange(2), draw.getrandbits(width)
        given, read = read, None if en and ask == at else held.get(ask)
        expected.append(given)
        if en:
            held[at] = word
        steps.append(f"write_addr = {at}; write_en = {en}; write_data = {width}'d{word}; addr = {ask};")
        steps.append('#1 clk = 1; #1 clk = 0; $display("%0d", data);')
    return steps, expected


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
@pytest.mark.parametrize(("width", "words"), SIZES)
def test_words(width, words, tmp_path):
    steps, expected = _walk(width, words)
    top = (words - 1).bit_length() - 1
    bench = [
        f"module bench; reg clk = 0, write_en; reg [{top}:0] write_addr, addr;",
        f"reg [{width - 1}:0] write_data; wire [{width - 1}:0] data;",
        "mem dut(clk, write_en, write_addr, write_data, addr, data); initial begin",
        *steps,
        "end endmodule\n",
        block_ram("mem", width, words),
    ]
    for options, cells in ([], ""), (["-DSYNTHESIS"], models.text("ecp5", {"DP16KD"})):
        (tmp_path / "bench.v").write_text("\n".join(bench) + cells)
        command = ["iverilog", *options, "-s", "bench", "-o", "b.vvp", "bench.v"]
        subprocess.run(command, cwd=tmp_path, check=True)
        done = subprocess.run(["vvp", "b.vvp"], cwd=tmp_path, capture_output=True, text=True, check=True)
        found = [one for one in done.stdout.split() if set(one) <= set("0123456789xX")]
        assert len(found) == 400 and sum(one is not None for one in expected) > 200
        assert all(one is None or int(seen) == one for seen, one in zip(found, expected, strict=True))


def test_cells():
    for width, words in SIZES:
        assert block_ram("mem", width, words).count("DP16KD #") == -(-width // ram_shape(words))


def test_where_blocks_are_taken():
    """As yosys does by its prices: few words are distributed memory, and so is what is narrow."""
    assert in_blocks(36, 96) and in_blocks(36, 512) and in_blocks(12, 512) and in_blocks(3, 2048)
    assert not in_blocks(36, 16) and not in_blocks(72, 32) and not in_blocks(3, 64)
    assert ram_shape(16384) == 1 and not in_blocks(1, 16385)
