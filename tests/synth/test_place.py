"""What stands around nextpnr: pins of a frame, and what particular builds of it need."""

import json

from fermatnet.hw.devices import DEVICES
from fermatnet.synth import pins, place


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
