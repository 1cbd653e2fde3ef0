"""The clock goal: budgets by target, and copies of control bits that synthesis leaves apart."""

import shutil
import subprocess

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from fermatnet.hw.piecewise.thresholds import ThresholdUnit
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.clock import TARGETS, Clock
from fermatnet.hw.rtl.copies import SPREAD, copies, spread, word_copies
from fermatnet.model.errors import InputError


@pytest.mark.parametrize("target", TARGETS)
def test_a_faster_clock_leaves_less(target):
    clocks = [Clock(mhz, target) for mhz in (20, 50, 100, 200)]
    assert [clock.budget for clock in clocks] == sorted((clock.budget for clock in clocks), reverse=True)
    sums = [clock.adders(16) for clock in clocks]
    assert sums == sorted(sums, reverse=True) and sums[-1] >= 1
    assert clocks[0].chain(40) > clocks[0].chain(4) > clocks[0].table()


def test_a_carry_that_leaves_its_chain_takes_time():
    """On ECP5 through two further cells: the cut of a comparison at 150 MHz is behind it, too."""
    clocks = {target: Clock(150, target) for target in TARGETS}
    assert {t for t, clock in clocks.items() if clock.comparison(16) > clock.chain(16)} == {"ecp5"}
    rows = np.arange(16 * 5).reshape(16, 5)
    unit = ThresholdUnit(rows, -np.ones(16), signed(13), lanes=1, clock=clocks["ecp5"], form="parallel")
    clock = clocks["ecp5"]
    assert clock.chain(13) + 2 * clock.table() < clock.budget < clock.comparison(13) + 2 * clock.table()
    assert unit.cuts == 2


def test_bad_goals_are_named():
    with pytest.raises(InputError, match="above 0 MHz, not -1"):
        Clock(-1)
    with pytest.raises(InputError, match="one of ecp5, lut6, asic, generic, not 'ice40'"):
        Clock(100, "ice40")


def test_spread_by_load():
    assert spread([SPREAD // 2] * 5) == [0, 0, 1, 1, 2]
    assert spread([2 * SPREAD, 1, 1]) == [0, 1, 1]


class Copies(wiring.Component):
    d: In(1)
    q: Out(3)

    def elaborate(self, platform):
        m = Module()
        registers = [Signal(name=f"copy{k}") for k in range(3)]
        copies(m, platform, self.d, registers)
        m.d.comb += [self.q[k].eq(register) for k, register in enumerate(registers)]
        return m


class Words(wiring.Component):
    d: In(4)
    en: In(1)
    q: Out(12)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.q.eq(Cat(word_copies(m, platform, self.en, self.d, 3, "word")))
        return m


@pytest.mark.parametrize(("kind", "registers"), [(Copies, 3), (Words, 12)])
def test_copies_stay_apart(tmp_path, kind, registers):
    from fermatnet.synth.flow import cells

    verilog.emit(kind(), "block", tmp_path)
    assert cells(tmp_path / "block.v", "block", "ecp5-85k")["ffs"] == registers


@pytest.mark.parametrize(
    "simulator",
    [
        "python",
        pytest.param("icarus", marks=pytest.mark.skipif(not shutil.which("iverilog"), reason="no iverilog")),
    ],
)
def test_word_copies_hold(simulator, tmp_path):
    """Each copy loads the word when it is told to, in Amaranth's simulator and in the Verilog."""
    if simulator == "python":
        sim = Simulator(dut := Words())
        sim.add_clock(1e-6)
        seen = []

        async def bench(ctx):
            for word, en in ((5, 1), (9, 0), (12, 1), (3, 0)):
                ctx.set(dut.d, word)
                ctx.set(dut.en, en)
                await ctx.tick()
                seen.append(ctx.get(dut.q))

        sim.add_testbench(bench)
        sim.run()
    else:
        verilog.emit(Words(), "block", tmp_path)
        (tmp_path / "bench.v").write_text("""
module bench; reg clk = 0, en; reg [3:0] d; wire [11:0] q;
block dut (.clk(clk), .rst(1'b0), .en(en), .d(d), .q(q));
task go(input [3:0] word, input load); begin
  d = word; en = load; #1 clk = 1; #1 clk = 0; #1 $display("%0d", q);
end endtask
initial begin go(5, 1); go(9, 0); go(12, 1); go(3, 0); end
endmodule
""")
        compiled = tmp_path / "bench.vvp"
        subprocess.run(
            ["iverilog", "-g2005", "-o", compiled, tmp_path / "bench.v", tmp_path / "block.v"], check=True
        )
        ran = subprocess.run(["vvp", compiled], check=True, capture_output=True, text=True)
        seen = [int(line) for line in ran.stdout.split()]
    assert seen == [word * 0x111 for word in (5, 5, 12, 12)]
