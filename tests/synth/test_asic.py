"""Cell libraries: what is read from one, delays against a calculation by hand, and the flow on a small
one."""

import json
import shutil
from pathlib import Path

import pytest

from fermatnet.model.errors import InputError
from fermatnet.synth import asic, delays, flow, liberty

LIBRARY = Path(__file__).parent / "tiny.lib"


@pytest.fixture(scope="module")
def library():
    return liberty.read(LIBRARY)


def test_reading(library):
    assert (library.name, library.voltage, library.seconds, library.farads) == ("tiny", 2.0, 1e-9, 1e-12)
    assert set(library.cells) == {"BUF", "INV", "NAND2", "NOR2", "DFF"}
    assert library.cells["DFF"].sequential and not library.cells["INV"].sequential
    assert library.cells["NAND2"].area == 2 and library.cells["NAND2"].leakage == pytest.approx(2e-9)
    assert library.cells["DFF"].capacitances == pytest.approx({"CK": 0.2e-12, "D": 0.1e-12})


def test_delay_by_hand(library):
    """Flip-flop, inverter, NAND of the inverter's and the flip-flop's output, flip-flop."""

    def cell(kind, **pins):
        return {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}

    netlist = {
        "cells": {
            "first": cell("DFF", CK="clk", D="d", Q="q"),
            "invert": cell("INV", A="q", Y="n"),
            "nand": cell("NAND2", A="n", B="q", Y="y"),
            "last": cell("DFF", CK="clk", D="y", Q="z"),
        }
    }
    clock_to_q = 2.0 + 0.2  # drives an inverter and a NAND, 0.1 pF each
    expected = clock_to_q + (0.5 + 0.1) + (1.0 + 0.1)
    assert asic.delay_ns(netlist, library) == pytest.approx(expected)
    del netlist["cells"]["last"]
    assert asic.delay_ns(netlist, library) == pytest.approx(expected - 0.1)


def test_a_loop_is_named(library):
    def cell(kind, **pins):
        return {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}

    netlist = {"cells": {"one": cell("INV", A="a", Y="b"), "two": cell("INV", A="b", Y="a")}}
    with pytest.raises(InputError, match=r"loop through nets [ab] -> [ab] -> [ab]"):
        asic.delay_ns(netlist, library)


def test_tables_are_linear_in_both_directions():
    table = delays.Table((0.0, 1.0), (0.0, 2.0), ((1.0, 3.0), (2.0, 6.0)))
    assert table(0.0, 1.0) == 2.0 and table(1.0, 1.0) == 4.0 and table(0.5, 1.0) == 3.0
    assert table(0.0, 4.0) == 5.0  # beyond the last column


def test_estimate(library):
    modules = {"top": {"part": 2, "INV": 1}, "part": {"DFF": 1, "NAND2": 3}}
    figures = asic.estimate(modules, "top", library, 100.0)
    assert (figures["gates"], figures["area"], figures["ffs"], figures["gate_equivalents"]) == (
        9,
        2 * (8 + 6) + 1,
        2,
        14,
    )
    assert figures["leakage_mw"] == pytest.approx((2 * (4 + 6) + 1) * 1e-6)
    # clocks twice a cycle, data by the assumed activity
    switched = 2 * 0.2 * 2.0 + (2 * (0.1 + 6 * 0.1) + 0.1) * asic.ACTIVITY
    assert figures["dynamic_mw"] == pytest.approx(0.5 * switched * 1e-12 * 2.0**2 * 100e6 * 1e3)


def test_the_flow(tmp_path):
    (tmp_path / "part.v").write_text(
        "module half(input clk, input d, output reg q); always @(posedge clk) q <= ~d; endmodule\n"
        "module part(input clk, input a, input b, output y); wire q;\n"
        "  half one (.clk(clk), .d(a & b), .q(q)); half two (.clk(clk), .d(q), .q(y));\nendmodule\n"
    )
    interface = {"format": 1, "name": "part", "top": "part", "files": {"verilog": ["part.v"], "memories": []}}
    (tmp_path / "interface.json").write_text(json.dumps(interface))
    shutil.copyfile(LIBRARY, tmp_path / "cells.lib")
    report = flow.synthesise(tmp_path, "asic", liberty=tmp_path / "cells.lib")
    layers = {layer["instance"]: layer for layer in report["layers"]}
    assert (
        {**layers["one"], "instance": "two"} == layers["two"]
        and layers["one"]["ffs"] == 1
        and layers["one"]["area"] == 8 + 1
    )
    assert report["ffs"] == 2 and report["area"] == 2 * 9 + 3  # a & b is a NAND and an inverter
    assert report["delay_ns"] == pytest.approx(2.0 + 0.1 + 0.5 + 0.1)  # clock to output, one inverter
    assert set(report["meaning"]) == {"area", "delay_ns", "power_mw"} and report["library"] == "tiny"
