"""A product in a multiplier's own register: the cell that is written against Python's product."""

import shutil
import subprocess
from itertools import product

import numpy as np
import pytest
from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from fermatnet.hw.resources import elaborated
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.hard_product import HARD_PRODUCT, hard_product
from fermatnet.hw.rtl.words import shape_range
from fermatnet.synth.netlist import models

PAIRS = [
    (signed(18), signed(18)),
    (unsigned(17), signed(18)),
    (signed(7), unsigned(4)),
    (unsigned(2), unsigned(3)),
    (signed(2), unsigned(17)),
    (signed(15), unsigned(1)),
    (unsigned(1), unsigned(6)),
]


class Held(wiring.Component):
    """The product alone, between ports."""

    def __init__(self, a: Shape, b: Shape, target: str = "ecp5"):
        self.target = target
        shape = Shape(a.width + b.width, a.signed or b.signed)
        super().__init__({"a": In(a), "b": In(b), "en": In(1), "p": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        held = Signal(self.p.shape(), reset_less=True)
        hard_product(m, platform, self.a, self.b, held, target=self.target, enable=self.en)
        m.d.comb += self.p.eq(held)
        return m


@pytest.mark.parametrize("target", ["ecp5", "lut6"])
def test_cell_only_where_it_is(target, tmp_path):
    """And never in plain Verilog, nor for a constant or a factor that is too wide."""
    own = target == "ecp5"
    text = verilog.emit(Held(signed(9), signed(9), target), "held", tmp_path).verilog
    assert ("MULT18X18D" in text) == own
    plain = verilog.emit(Held(signed(9), signed(9), target), "held", tmp_path, vendor=False).verilog
    assert "MULT18X18D" not in plain
    assert HARD_PRODUCT[9:] not in verilog.emit(Held(signed(19), signed(9), target), "held", tmp_path).verilog
    assert elaborated(Held(signed(9), signed(9), target), "ecp5").registers == (0 if own else 18)


@pytest.mark.parametrize("target", ["ecp5", "lut6"])
def test_it_holds_without_its_enable_in_the_simulator(target):
    """Where the register is no cell of the family."""
    dut = Held(signed(9), signed(9), target)

    async def bench(ctx):
        for enable, x, wanted in (1, -7, -35), (0, 9, -35), (1, 9, 45), (0, 2, 45):
            ctx.set(dut.en, enable)
            ctx.set(dut.a, x)
            ctx.set(dut.b, 5)
            assert ctx.get(dut.p) != wanted or not enable
            await ctx.tick()
            assert ctx.get(dut.p) == wanted

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
@pytest.mark.parametrize("synthesis", [False, True])
def test_products(synthesis, tmp_path):
    """All signs, the ends of both ranges and drawn values; it holds without its enable. As simulators read
    it, and with the cell."""
    rng = np.random.default_rng(1)
    units, steps, wanted = [], [], []
    for number, (a, b) in enumerate(PAIRS):
        (tmp_path / f"p{number}.v").write_text(verilog.emit(Held(a, b), f"p{number}", tmp_path).verilog)
        units.append(
            f"reg [{a.width - 1}:0] a{number}; reg [{b.width - 1}:0] b{number}; "
            f"wire [{a.width + b.width - 1}:0] q{number};\n"
            f"p{number} i{number}(.clk(clk), .rst(1'b0), .en(en), "
            f".a(a{number}), .b(b{number}), .p(q{number}));"
        )
        held = None
        for x, y in product(_values(rng, a), _values(rng, b)):
            enable = held is None or rng.integers(4) > 0
            held = x * y & (1 << a.width + b.width) - 1 if enable else held
            wanted.append(held)
            steps.append(
                f"en = {int(enable)}; a{number} = {_bits(x, a)}; b{number} = {_bits(y, b)}; "
                f'#1 clk = 1; #1 clk = 0; $display("%0d", q{number});'
            )
    text = ["module bench;", "reg clk = 0; reg en;", *units, "initial begin", *steps, "end", "endmodule", ""]
    cells = models.text("ecp5", {"MULT18X18D"}) if synthesis else ""
    (tmp_path / "bench.v").write_text("\n".join(text) + cells)
    files = ["bench.v", *(f"p{k}.v" for k in range(len(PAIRS)))]
    defines = ["-DSYNTHESIS"] if synthesis else []
    subprocess.run(["iverilog", *defines, "-s", "bench", "-o", "b.vvp", *files], cwd=tmp_path, check=True)
    out = subprocess.run(["vvp", "b.vvp"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [int(line) for line in out.split()] == wanted


def _values(rng, shape):
    low, high = shape_range(shape)
    return [low, high, 0, *map(int, rng.integers(low, high, 6, endpoint=True))]


def _bits(value, shape):
    return value & (1 << shape.width) - 1
