"""What stands around nextpnr: pins of a frame, and what particular builds of it need."""

import json
from types import SimpleNamespace

import pytest

from fermatnet.hw.devices import DEVICES
from fermatnet.synth import pins, place, tools


def test_pins_of_a_frame_stand_in_the_files_of_each_family(tmp_path):
    wanted = {"gw2ar-18": "frame.cst", "gw1nr-9": "frame.cst", "lifcl-40": "frame.pdc"}
    for name, device in DEVICES.items():
        options = pins.located(device, tmp_path)
        assert [option.split("=")[-1] for option in options][1:] == ([wanted[name]] if name in wanted else [])
        few = device.family in ("gowin", "nexus")  # no pin is chosen for them
        assert pins.framed(device, 6) == few
        assert pins.framed(device, 10**4) == (few or device.family in ("ice40", "gatemate"))
        if name in wanted:
            lines = (tmp_path / wanted[name]).read_text().splitlines()
            ports = 5 if name == "lifcl-40" else 6  # whose clock comes from within
            assert len(lines) == len(set(lines)) == ports and "out" in lines[-1]
            assert ("clk" in lines[0]) == (ports == 6)


def test_a_build_that_dies_behind_its_routing_has_said_its_speed(tmp_path, monkeypatch):
    def dies(tool, arguments, directory, log, watch):
        (directory / "nextpnr.log").write_text(said)
        raise tools.ToolError("nextpnr-gatemate: 1: wasm trap: out of bounds memory access")

    monkeypatch.setattr(place.tools, "run", dies)
    before, after = (
        f"Info: Max frequency for clock 'clk': {mhz} MHz (PASS at 40 MHz)\n" for mhz in (60, 46.25)
    )
    said = f"{before}Info: Routing complete.\n{after}"
    assert place._routed(None, [], [("router2", 1)], SimpleNamespace(directory=tmp_path))[0] == 1
    assert place._logged_fmax(tmp_path) == 46.25
    said = before  # the estimate of a placement that was not routed
    with pytest.raises(tools.ToolError):
        place._routed(None, [], [("router2", 1)], SimpleNamespace(directory=tmp_path))
    assert place._logged_fmax(tmp_path) == 0


def test_only_carries_that_depend_on_nothing_are_left_open(tmp_path):
    first, other = (
        {"type": "CCU2", "parameters": {"INIT0": init}, "connections": {"CIN": [2], "A0": [3]}}
        for init in ("0xFFFF", "0x96AA")
    )
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"cells": {"first": first, "other": other}}}}))
    place._loosen_carries(path)
    cells = json.loads(path.read_text())["modules"]["top"]["cells"]
    assert cells["first"]["connections"] == {"A0": [3]} and cells["other"] == other


def test_a_frame_for_crosslink_nx_is_clocked_from_within(tmp_path):
    cells = {
        "clk_buffer": {"type": "IB", "connections": {"I": [2], "O": [8]}},
        "bits_buffer": {"type": "IB", "connections": {"I": [3], "O": [9]}},
        "register": {"type": "FD1P3IX", "connections": {"CK": [8], "D": [9], "Q": [10]}},
    }
    ports = {name: {"direction": "input", "bits": [bit]} for name, bit in (("clk", 2), ("bits", 3))}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {pins.FRAME: {"ports": ports, "cells": cells}}}))
    pins.own_clock(path, 50)
    module = json.loads(path.read_text())["modules"][pins.FRAME]
    oscillator, buffer = (module["cells"].pop(name) for name in ("osc", "buffer"))
    assert oscillator["connections"] == {"HFCLKOUT": [11]} and oscillator["parameters"]["HF_CLK_DIV"] == "8"
    assert buffer["connections"] == {"CLKI": [11], "CLKO": [8]}
    assert list(module["ports"]) == ["bits"] and sorted(module["cells"]) == ["bits_buffer", "register"]


@pytest.mark.parametrize(
    ("device", "mhz", "hurried"),
    [("ecp5-85k", 150, True), ("ecp5-85k", 50, False), ("ice40-hx8k", 150, False)],
)
def test_time_weighs_more_at_a_fast_clock_of_ecp5(device, mhz, hurried, tmp_path, monkeypatch):
    seen = []

    def routed(tool, fixed, *_):
        seen.extend(fixed)
        raise tools.ToolError("stopped here")

    monkeypatch.setattr(place.tools, "find", lambda name: None)
    monkeypatch.setattr(place, "_routed", routed)
    monkeypatch.setattr(place, "_router", lambda *_: "router2")
    netlist = SimpleNamespace(directory=tmp_path, top="top", port_bits=10, instances=())
    with pytest.raises(tools.ToolError, match="stopped"):
        place.place(netlist, DEVICES[device], mhz)
    assert ("--placer-heap-timingweight" in seen) == hurried


@pytest.mark.parametrize(
    ("name", "clock", "share", "router"),
    [
        ("ecp5-25k", 150.0, 0.29, "router1"),
        ("ecp5-25k", 150.0, 0.31, "router2"),
        ("ecp5-25k", 100.0, 0.1, "router2"),
        ("ice40-hx8k", 150.0, 0.1, "router2"),
        ("lifcl-40", 150.0, 0.1, "router1"),
    ],
)
def test_who_routes(monkeypatch, name, clock, share, router):
    device = DEVICES[name]
    monkeypatch.setattr(place.count, "total", lambda modules, top: modules[top])
    monkeypatch.setattr(place.count, "resources", lambda counts, family: {"luts": counts})
    netlist = SimpleNamespace(modules={"top": share * device.luts}, top="top")
    assert place._router(netlist, device, clock) == router
    netlist = SimpleNamespace(modules={pins.FRAME: 1}, top=pins.FRAME)
    assert name != "lifcl-40" or place._router(netlist, device, clock) == "router2"
