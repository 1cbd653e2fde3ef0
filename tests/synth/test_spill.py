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
    output [7:0] r, s, output [5:0] t, output reg [15:0] q
);
    (* keep_hierarchy *) rom first(.clk(clk), .a(a), .d(r));
    (* keep_hierarchy *) rom second(.clk(clk), .a(x[7:0]), .d(s));
    (* keep_hierarchy *) rom #(.W(6)) small(.clk(clk), .a(x[15:8]), .d(t));
    reg [15:0] m [0:511];
    always @(posedge clk) begin if (we) m[{we, a}] <= x; q <= m[{a, we}]; end
endmodule
"""


def test_the_cheapest_memories_that_free_enough_blocks_become_logic(tmp_path):
    (tmp_path / "source.v").write_text(SOURCE)
    netlist = map_design(tmp_path, ["source.v"], "top", dataclasses.replace(device("ice40-hx8k"), brams=3))
    used = count.resources(count.total(netlist.modules, "top"), "ice40")
    # of five blocks: the module that stands twice, without the smaller one
    assert netlist.in_logic == ("first.words", "second.words") and used["brams"] == 3
    estimate = 2 * Stored("rom", "words", 256, 8, False).tables
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
