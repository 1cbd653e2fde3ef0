"""The files of cell models: what their short forms stand for, what is refused, and mutants of a netlist."""

import copy
import json
import re
import shutil
import subprocess

import pytest

from fermatnet.model.errors import InputError
from fermatnet.sim.runner import lint
from fermatnet.synth.netlist import models, mutants
from fermatnet.synth.netlist.template import expand
from fermatnet.synth.netlist.verilog import read


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("@bits DI 3@", "DI0, DI1, DI2"),
        ("@word DI (36/18)@", "{DI1, DI0}"),
        ("@each A B@x_%@comma@ @end@", "x_A, x_B "),
        ("@parameters I_ 2 2 8@", "parameter [7:0] I_00 = 0;\n    parameter [7:0] I_01 = 0;"),
        ("@contents I_ 1 12@", "{I_B, I_A, I_9, I_8, I_7, I_6, I_5, I_4, I_3, I_2, I_1, I_0}"),
        ("FD@first CLR@E", "FDCE"),
        ("RAM@power 5@X1D", "RAM32X1D"),
        ("always @(posedge C) if (a % 2)", "always @(posedge C) if (a % 2)"),
    ],
)
def test_short_forms(short, long):
    assert expand(short) == long


@pytest.mark.parametrize("family", models.FAMILIES)
def test_models_compile_and_have_no_marks_left(family, tmp_path):
    every = models.models(family)
    (tmp_path / "cells.v").write_text(models.text(family, every))
    assert not {name for name, model in every.items() if re.search("@[^(*]", model.text)}
    errors = lint({"cells.v": models.text(family, every)}, "LUT4" if "LUT4" in every else "SB_LUT4")
    assert not [line for line in errors if line.startswith("%Error")]
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not on PATH")
    command = ["iverilog", "-Wall", "-o", "/dev/null", "cells.v"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr


def netlist(kind="LUT4", **parameters):
    """One cell between the ports a and z."""
    cell = {
        "type": kind,
        "parameters": parameters,
        "port_directions": {"A": "input", "B": "input", "Z": "output"},
        "connections": {"A": [2], "B": [3], "Z": [4]},
    }
    top = {
        "attributes": {},
        "ports": {
            "a": {"direction": "input", "bits": [2, 3]},
            "z": {"direction": "output", "bits": [4, "1"]},
        },
        "cells": {"one": cell},
        "netnames": {"z": {"hide_name": 0, "bits": [4, "1"]}},
    }
    return {"modules": {"top": top}}


def written(tmp_path, made):
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps(made))
    return read(path, "top", "ecp5")


def test_a_netlist_as_verilog(tmp_path):
    lines = written(tmp_path, netlist(INIT="0110")).verilog().splitlines()
    assert lines == [
        "module top (input [1:0] \\a , output [1:0] \\z );",
        "  wire \\z[0] ;",
        "  assign \\z  = {1'b1, \\z[0] };",
        "  LUT4 #(.\\INIT (4'b0110)) \\one  (.\\A (\\a [0]), .\\B (\\a [1]), .\\Z (\\z[0] ));",
        "endmodule",
    ]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            netlist("ALU54B"),
            "cell top.one is a ALU54B, for which there is no simulation model; ecp5 has models of LUT4",
        ),
        (
            netlist("TRELLIS_FF", CEMUX="0 "),
            "cell top.one is a TRELLIS_FF with CEMUX = 0; .*knows only 1 and CE and INV",
        ),
    ],
)
def test_what_cannot_be_simulated_is_named(made, words, tmp_path):
    with pytest.raises(InputError, match=words):
        written(tmp_path, made)


def test_a_family_without_models():
    with pytest.raises(InputError, match=r"no simulation models for the cells of gowin.*ecp5, ice40, xc7"):
        models.models("gowin")


def test_mutants_stand_beside_their_cells(tmp_path):
    circuit = written(tmp_path, netlist(INIT="0110"))
    before = copy.deepcopy(circuit.modules)
    drawn = mutants.draw(circuit, 2, seed=1)
    assert [mutant.kind for mutant in drawn] == ["table"]  # one cell, so one fault
    assert drawn == mutants.draw(circuit, 2, seed=1) and circuit.modules == before
    flipped = drawn[0].body["parameters"]["INIT"]
    assert sum(a != b for a, b in zip(flipped, "0110", strict=True)) == 1
    text = mutants.with_mutants(circuit, drawn).verilog()
    assert text.count("  LUT4 #(") == 2 and f"4'b{flipped}" in text and "module fermatnet_either" in text
    with pytest.raises(InputError, match="the same cell"):
        mutants.with_mutants(circuit, drawn * 2)
