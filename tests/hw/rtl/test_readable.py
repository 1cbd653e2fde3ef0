"""Readable Verilog: the same circuit by a solver, plain names, nothing with a dollar sign, fewer lines."""

import re
import shutil
import subprocess

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.dot import Dot
from fermatnet.hw.piecewise.forms import forms_of
from fermatnet.hw.rtl import verilog
from fermatnet.hw.rtl.readable import readable
from fermatnet.synth.wheels import yosys


class Awkward(wiring.Component):
    """Names that are keywords, that meet, that cross the hierarchy; a memory; a table."""

    def __init__(self):
        super().__init__({"a": In(4), "b": In(4), "o": Out(8), "last": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        names = [Signal(4, name="reg"), Signal(4, name="reg"), Signal(4, name="output")]
        m.submodules.inner = inner = Module()
        m.submodules.memory = memory = Memory(shape=4, depth=5, init=[3, 1, 4, 1, 5])
        read, write = memory.read_port(domain="comb"), memory.write_port()
        m.d.comb += [
            read.addr.eq(self.a),
            write.addr.eq(self.b),
            write.data.eq(self.a),
            write.en.eq(self.b[3]),
        ]
        inner.d.comb += names[0].eq(self.a + self.b)
        inner.d.sync += names[1].eq(names[0] ^ read.data)
        with m.Switch(self.b):
            for value in range(9):
                with m.Case(value):
                    m.d.comb += names[2].eq(value * 7)
        m.d.sync += [self.o.eq(names[1] + names[2]), self.last.eq(self.a[0])]
        return m


CASES = {
    "awkward": Awkward,
    "dot": lambda: Dot(forms_of([-3, 0, 2], [0, 1, 3])["planes"], 6, 8, target="ecp5"),
    "pipelined": lambda: Dot(forms_of([-3, 0, 2], [0, 1, 3])["one-hot"], 5, 8, target="lut6", pipeline=2),
}


def equivalent(tmp_path, first, second):
    """Raises unless two texts of module ``block`` give equal outputs over five cycles from zero, whatever
    comes in: as long as anything stays in these circuits."""
    (tmp_path / "first.v").write_text(first)
    (tmp_path / "second.v").write_text(second)
    script = []
    for name in ("first", "second"):
        script += [f"read_verilog -nosynthesis {name}.v", "hierarchy -top block", "proc"]
        script += ["setattr -unset keep_hierarchy c:*", "setattr -mod -unset keep_hierarchy *", "flatten"]
        script += ["memory_map", "opt", f"rename block {name}", f"design -stash {name}"]
    script += ["design -copy-from first first", "design -copy-from second second"]
    script += ["miter -equiv -flatten -make_outputs first second miter", "hierarchy -top miter"]
    script += ["sat -verify -prove trigger 0 -set-init-zero -seq 5 miter"]
    yosys("; ".join(script), tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_plain_names_and_the_same_circuit(name, tmp_path):
    raw = verilog.emit(CASES[name](), "block", raw=True).verilog
    made = verilog.emit(CASES[name](), "block").verilog
    assert "\\" not in made and set(re.findall(r"\$\w+", made)) <= {"$signed", "$readmemh"}
    assert made.count("\n") < raw.count("\n")
    assert made == verilog.emit(CASES[name](), "block").verilog
    equivalent(tmp_path, raw, made)


def test_the_solver_sees_a_change(tmp_path):
    made = verilog.emit(Awkward(), "block").verilog
    wrong = made.replace("4'h7", "4'h6", 1)
    assert wrong != made
    with pytest.raises(Exception, match="refused"):
        equivalent(tmp_path, made, wrong)


def test_names_say_where_signals_come_from():
    made = verilog.emit(CASES["dot"](), "block").verilog
    assert re.search(r"wire .*counter\d+_o\b", made) and "wire reg_" not in made
    assert "reg_" in verilog.emit(Awkward(), "block").verilog


class Still(wiring.Component):
    """A process that reads nothing but a register which stays as it is."""

    def __init__(self):
        super().__init__({"o": Out(4), "d": In(1)})

    def elaborate(self, platform):
        m = Module()
        state = Signal(2, init=2)
        m.d.sync += state.eq(state ^ self.d)
        with m.Switch(state):
            with m.Case(2):
                m.d.comb += self.o.eq(9)
            with m.Default():
                m.d.comb += self.o.eq(3)
        return m


BENCH = """
module bench;
  wire [3:0] o;
  block block (.clk(1'b0), .rst(1'b0), .d(1'b0), .o(o));
  initial #1 $display("o is %0d", o);
endmodule
"""


@pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog")
@pytest.mark.parametrize("language", ["-g2005", "-g2012"])
def test_processes_begin_before_anything_changes(language, tmp_path):
    """Under -g2012 a declared value is no event: with the back end's own text Icarus 11 shows x there."""
    (tmp_path / "block.v").write_text(verilog.emit(Still(), "block").verilog + BENCH)
    subprocess.run(["iverilog", language, "-o", "bench", "block.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "o is 9"


def test_other_text_is_left_alone():
    text = "// by hand\nmodule other (input wire a, output wire b);\n  assign b = ~a;\nendmodule\n"
    assert readable(text) == text


def test_a_port_is_declared_once():
    """A register that leaves by a name told apart with ``$``, its first value kept."""
    raw = (
        "module top(clk, \\o$5 );\n  input clk;\n  wire clk;\n"
        "  output [3:0] \\o$5 ;\n  reg [3:0] \\o$5  = 4'h3;\n"
        "  always @(posedge clk)\n    \\o$5  <= 4'h1;\nendmodule\n"
    )
    assert readable(raw) == (
        "module top(\n  input clk, output reg [3:0] o = 4'h3\n);\n"
        "  always @(posedge clk)\n    o <= 4'h1;\nendmodule\n"
    )
