# amaranth: UnusedElaboratable=no
"""Rows of arithmetic are found again by all that they were measured on."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.bench.fermat import arithmetic_rows
from fermatnet.hw.rtl.rom import Rom
from fermatnet.model.result_log import ResultLog


class Table(wiring.Component):
    """A memory of 32 words."""

    def __init__(self, words):
        self.words = words
        super().__init__({"addr": In(5), "data": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rom = rom = Rom(8, self.words, "table")
        m.d.comb += [rom.addr.eq(self.addr), rom.en.eq(1), self.data.eq(rom.data)]
        return m


def test_other_contents_are_another_block():
    first = [7 * k % 251 for k in range(32)]
    keys = [arithmetic_rows._key("xc7", "table", Table(words)) for words in (first, first, first[::-1])]
    assert keys[0] == keys[1] != keys[2]


def test_other_seeds_are_another_row(monkeypatch):
    monkeypatch.setattr(arithmetic_rows, "_key", lambda kind, name, block: f"{kind}/{name}")
    monkeypatch.setattr(
        arithmetic_rows, "_ecp5", lambda *given: {"fmax_mhz": 1.0, "luts": 1, "seeds": given[-1]}
    )
    log = ResultLog()
    for seeds in ((1, 2), (3, 4)):
        assert arithmetic_rows.ecp5_rows(seeds, more=False, log=log)[0]["seeds"] == seeds
