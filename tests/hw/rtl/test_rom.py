"""Memories: the same words in Amaranth's simulator and in generated files."""

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.rom import ROM_MODULE, Rom
from fermatnet.hw.rtl.verilog import emit


class Two(wiring.Component):
    """Two memories of one name: with equal contents they share a file, with other contents they do not."""

    def __init__(self, second):
        self.second = second
        super().__init__({"addr": In(2), "data": Out(9)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.a = a = Rom(8, [1, 255, 16, 7], "words")
        m.submodules.b = b = Rom(8, self.second, "words")
        m.d.comb += [
            a.addr.eq(self.addr),
            b.addr.eq(self.addr),
            a.en.eq(1),
            b.en.eq(1),
            self.data.eq(a.data + b.data),
        ]
        return m


def test_reads_one_cycle_later_and_holds(read):
    steps = [{"addr": addr, "en": en} for addr, en in ((1, 1), (4, 1), (2, 0), (2, 1), (0, 0))]
    assert read(Rom(8, [1, 255, 16, 7, 9]), steps) == [255, 9, 9, 16, 16]


def test_files_are_named_by_content_and_deterministic(tmp_path):
    same, other = emit(Two([1, 255, 16, 7]), "top"), emit(Two([1, 255, 16, 8]), "top")
    assert same.memories == {"top_words.hex": "01\nff\n10\n07\n"}
    assert other.memories == {"top_words.hex": "01\nff\n10\n07\n", "top_words_2.hex": "01\nff\n10\n08\n"}
    assert emit(Two([1, 255, 16, 8]), "top", tmp_path).verilog == other.verilog
    assert (
        (tmp_path / "top.v").read_text() == other.verilog
        and "module top_rom " in other.verilog
        and ROM_MODULE not in other.verilog
    )
    assert "/" not in other.verilog.replace("//", "").replace("/*", "").replace("*/", ""), (
        "no paths in generated text"
    )


@pytest.mark.parametrize(
    ("width", "words", "say"),
    [(0, [0], "width"), (4, [], "at least one"), (4, [3, 16], "word 1"), (4, [-1], "word 0")],
)
def test_bad_contents(width, words, say):
    with pytest.raises(ValueError, match=say):
        Rom(width, words)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(("words", "kept"), [(16, False), (17, True), (100, True)])
def test_a_memory_of_many_words_is_kept_whole(words, kept, raw):
    """Dissolved, a table of a hundred words takes several times the logic."""
    text = emit(Rom(24, [pow(5, k, 1 << 24) for k in range(words)]), "part", raw=raw).verilog
    instance = re.search(rf"((?:^.*\n)?)^  part_{ROM_MODULE.removeprefix('fermatnet_')}\b", text, re.M)
    assert ("keep_hierarchy" in instance[1]) is kept
