"""A small hand-written design that looks like a generated network, with known contents."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def design(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two_layers")
    (folder / "two_layers.v").write_text((Path(__file__).parent / "two_layers.v").read_text())
    interface = {
        "format": 1,
        "name": "two layers",
        "top": "two_layers",
        "clock": "clk",
        "reset": "rst",
        "files": {"verilog": ["two_layers.v"], "memories": []},
        "input": {"tdata_bits": 8},
        "output": {"tdata_bits": 32},
        "latency_cycles": 3,
        "cycles_per_image": 50,
        "clock_mhz": 100.0,
        "device": "ecp5-85k",
        "layers": [],
    }
    (folder / "interface.json").write_text(json.dumps(interface))
    return folder
