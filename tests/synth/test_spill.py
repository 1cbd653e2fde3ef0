"""Memories in logic where blocks run out."""

import dataclasses

import pytest

from fermatnet.hw.devices import device
from fermatnet.synth import count, spill
from fermatnet.synth.mapping import map_design
from fermatnet.synth.spill import Stored

SOURCE = """
module rom #(parameter W = 8) (input clk, input [7:0] a, output reg [W-1:0] d);
    reg [W-1:0] words [0:255];
    integer i;
    initial for (i = 0; i < 256; i = i + 1) words[i] = (i * i * 7) >> 3;
    always @(posedge clk) d <= words[a];
endmodule
module top(
    input clk, input we, input [7:0] a, input [15:0] x,
    output [7:0] r, s, output reg [5:0] t, output reg [15:0] q
);
    (* keep_hierarchy *) rom first(.clk(clk), .a(a), .d(r));
    (* keep_hierarchy *) rom second(.clk(clk), .a(x[7:0]), .d(s));
    reg [5:0] few [0:255];
    integer i;
    initial for (i = 0; i < 256; i = i + 1) few[i] = (i * i * i * 29) >> 6;
    always @(posedge clk) t <= few[x[15:8]];
    reg [15:0] m [0:511];
    always @(posedge clk) begin if (we) m[{we, a}] <= x; q <= m[{a, we}]; end
endmodule
"""


@pytest.mark.parametrize("brams, names", [(3, ("first.words", "second.words")), (4, ("few",))])
def test_the_cheapest_memories_that_free_enough_blocks_become_logic(brams, names, tmp_path):
    """Of five blocks: the module that stands twice, without the smaller one; or that alone, without the other
    memory of its module."""
    (tmp_path / "source.v").write_text(SOURCE)
    netlist = map_design(
        tmp_path, ["source.v"], "top", dataclasses.replace(device("ice40-hx8k"), brams=brams)
    )
    used = count.resources(count.total(netlist.modules, "top"), "ice40")
    assert netlist.in_logic == names and used["brams"] == brams
    estimate = len(names) * Stored("rom", "words", 256, 8 if len(names) > 1 else 6, False).tables
    assert estimate / 2 < used["luts"] < estimate * 2


ROMS = [Stored("rom", f"words{k}", 256, width, False) for k, width in enumerate((8, 6, 16))]
RAM = Stored("top", "ring", 512, 16, True)
TAKEN = {ROMS[0]: (2, 2), ROMS[1]: (1, 1), ROMS[2]: (1, 1), RAM: (1, 2)}


@pytest.mark.parametrize(
    "excess, picked",
    [(1, [ROMS[1]]), (2, [ROMS[0]]), (3, [ROMS[0], ROMS[1]]), (4, [*ROMS]), (5, None), (7, None)],
)
def test_what_is_chosen_is_enough_and_has_room(excess, picked):
    assert spill.chosen(TAKEN, excess, 1000) == (picked or [])
    if picked:
        least = sum(one.tables * TAKEN[one][0] for one in picked)
        assert spill.chosen(TAKEN, excess, least) == picked and spill.chosen(TAKEN, excess, least - 1) == []


def test_blocks_are_counted_for_every_instance():
    rom = {"cells": {"words.0.0": {"type": "SB_RAM40_4K"}, "words.0.1": {"type": "SB_RAM40_4K"}}}
    other = {"cells": {"words2.0.0": {"type": "SB_RAM40_4K"}, "mux": {"type": "SB_LUT4"}}}
    layer = {"cells": {"a": {"type": "rom"}, "b": {"type": "rom"}}}
    modules = {"rom": rom, "other": other, "layer": layer}
    modules["top"] = {"cells": {"x": {"type": "layer"}, "y": {"type": "layer"}, "z": {"type": "other"}}}
    found = [Stored("rom", "words", 60, 32, False), Stored("other", "words", 9, 9, False), RAM]
    taken = spill.stored(found, modules, "top", device("ice40-hx8k"))
    assert taken == {found[0]: (4, 8)}


def test_a_written_memory_costs_flip_flops_and_a_multiplexer():
    assert (RAM.tables, ROMS[0].tables) == (512 * 16 * 2, 256 * 8 / 12)


def test_the_largest_that_is_needless_stays_a_memory():
    """The last one picked frees all that is asked for: of those before it the dearer one goes back."""
    cheap, dear, last = (Stored("top", f"m{k}", 12, words, False) for k, words in enumerate((10, 30, 200)))
    taken = {cheap: (1, 1), dear: (1, 2), last: (1, 6)}
    assert spill.chosen(taken, 7, 1000) == [cheap, last]
