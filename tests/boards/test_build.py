"""The search for a design that fits and meets its clock, with a stand-in for the tools; and what is
refused."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.boards import build as flow
from fermatnet.boards.clock.primitives import MODELS
from fermatnet.boards.definitions.catalogue import find_board
from fermatnet.boards.top import TOP
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.model.errors import InputError


@pytest.fixture(scope="module")
def net():
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


class Tools:
    """Stands for yosys, nextpnr and the packer: ``luts`` and ``fmax`` by the number of the call."""

    def __init__(self, monkeypatch, luts, fmax):
        self.luts, self.fmax, self.mapped, self.placed = list(luts), list(fmax), [], []
        monkeypatch.setattr(flow, "map_board", self.map)
        monkeypatch.setattr(flow, "place_board", self.place)
        monkeypatch.setattr(flow, "pack", self.pack)

    def map(self, board, folder, sources, memories, scratch, core, detail):
        assert sources[-1] == f"{TOP}.v" and (folder / sources[-1]).is_file()
        self.mapped.append(read_interface(folder)["cycles_per_image"])
        luts = self.luts[min(len(self.mapped), len(self.luts)) - 1]
        resources = {"luts": luts, "ffs": 100, "brams": 2, "dsps": 1, "layers": []}
        return SimpleNamespace(
            resources=resources, netlist=SimpleNamespace(directory=scratch, version="yosys")
        )

    def place(self, board, mapped, clock_mhz, progress, detail):
        self.placed.append(clock_mhz)
        fmax = self.fmax[min(len(self.placed), len(self.fmax)) - 1]
        return SimpleNamespace(fmax_mhz=fmax, critical_path={}, seed=1, version="nextpnr")

    @staticmethod
    def pack(board, scratch):
        (scratch / "made").write_bytes(b"bits")
        return scratch / "made"


def test_a_design_that_fits_and_is_fast_enough(monkeypatch, net, tmp_path):
    tools = Tools(monkeypatch, [3000], [60.0])
    said = []
    found = flow.build(net, find_board("icebreaker"), tmp_path / "out", progress=said.append)
    assert len(tools.mapped) == len(tools.placed) == 1 and tools.placed[0] <= flow.CLOCKS["ice40"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"bitstream.bin", "board.json", "host.py", "verilog"}
    assert json.loads((tmp_path / "out" / "board.json").read_text()) == found
    assert (tmp_path / "out" / "verilog" / "board.pcf").is_file() and said
    compile((tmp_path / "out" / "host.py").read_text(), "host.py", "exec")
    assert found["chip"]["fmax_mhz"] == 60.0 and abs(found["clock_mhz"] - tools.placed[0]) < 1e-6


def test_a_clock_that_is_not_met_is_lowered(monkeypatch, net, tmp_path):
    tools = Tools(monkeypatch, [3000], [17.3, 17.1])
    found = flow.build(net, find_board("icebreaker"), tmp_path / "out")
    assert len(tools.placed) == 2 and tools.placed[1] <= 17.1 and found["clock_mhz"] <= 17.1
    assert found["link"]["divisor"] == round(found["clock_mhz"])
    # what is aimed at alone is lowered too
    tools = Tools(monkeypatch, [3000], [28.0, 29.0])
    found = flow.build(net, find_board("icebreaker"), tmp_path / "aimed", aim_mhz=30)
    assert 28 < tools.placed[0] <= 30 and found["clock_mhz"] <= 28 and tools.placed[1] == found["clock_mhz"]
    # and one that was asked for is not
    Tools(monkeypatch, [3000], [17.1])
    with pytest.raises(
        InputError, match=r"meets 20\.\d* MHz on icebreaker, the nearest reaches 17\.1 MHz: name a lower"
    ):
        flow.build(net, find_board("icebreaker"), tmp_path / "other", cycles=600, clock_mhz=20.5)
    assert not (tmp_path / "other").exists()


def test_a_design_that_is_too_large_is_folded_more(monkeypatch, net, tmp_path):
    tools = Tools(monkeypatch, [25000, 3000], [80.0])
    flow.build(net, find_board("tangnano20k"), tmp_path / "out")
    assert len(tools.mapped) == 2 and len(tools.placed) == 1 and tools.mapped[1] >= tools.mapped[0]


def test_a_network_that_cannot_fit_is_refused(monkeypatch, net, tmp_path):
    tools = Tools(monkeypatch, [9000], [60.0])
    words = (
        r"does not fit icebreaker: its smallest design takes 9,000 of 5,280 luts; ulx3s-12f should hold it; "
        r"the largest part that fits here is its layers up to '\w+'"
    )
    with pytest.raises(InputError, match=words):
        flow.build(net, find_board("icebreaker"), tmp_path / "out")
    assert tools.mapped and not tools.placed and not (tmp_path / "out").exists()


def elaborates(folder: Path, found, *, pll: bool) -> bool:
    """Whether iverilog finds every module of a board's top level, with the model of its PLL or without."""
    model = folder / "pll_model.v"
    model.write_text(MODELS[found["family"]] if pll else "")
    sources = [folder / "verilog" / one for one in found["files"]["verilog"]]
    command = ["iverilog", "-g2005", "-s", TOP, "-o", "/dev/null", *sources, model]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_without_tools(net, tmp_path):
    """A board that no open tool places on: constraints and Vivado's script."""
    found = flow.build(net, find_board("arty-a7-35"), tmp_path / "out", cycles=600, clock_mhz=60)
    assert "chip" not in found and found["bitstream"] == ""
    script = (tmp_path / "out" / "vivado.tcl").read_text()
    assert "xc7a35ticsg324-1L" in script and all(name in script for name in found["files"]["verilog"])
    xdc = (tmp_path / "out" / "verilog" / "board.xdc").read_text()
    if shutil.which("iverilog"):
        assert elaborates(tmp_path / "out", found, pll=True)
        assert not elaborates(tmp_path / "out", found, pll=False)
    assert "PACKAGE_PIN E3 IOSTANDARD LVCMOS33 } [get_ports osc]" in xdc and "create_clock" in xdc


def test_the_same_bytes(net, tmp_path):
    for name in ("one", "two"):
        found = flow.build(
            net, find_board("tangnano9k"), tmp_path / name, cycles=600, reloadable=True, bitstream=False
        )
    if shutil.which("iverilog"):
        assert elaborates(tmp_path / "two", found, pll=True)
        (tmp_path / "two" / "pll_model.v").unlink()
    paths = sorted(
        path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()
    )
    assert len(paths) > 8
    for path in paths:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_the_design_is_told_from_others(net, tmp_path):
    """Other weights, another speed of the line: another digest."""
    board, seen = find_board("tangnano9k"), set()
    other = pa_resnet((1, 4, 4), (2,), (1,), seed=4, classes=4)
    for k, (one, baud) in enumerate(((net, 115200), (other, 115200), (net, 230400))):
        found = flow.build(one, board, tmp_path / str(k), cycles=600, baud=baud, bitstream=False)
        seen.add(found["design"])
    assert len(seen) == 3


def test_images_that_no_frame_holds(tmp_path):
    wide = pa_resnet((3, 160, 160), (2,), (1,), seed=3, classes=4)
    with pytest.raises(InputError, match="one image takes 76800 bytes, a frame of the link holds 65535"):
        flow.build(wide, find_board("ulx3s"), tmp_path / "out", cycles=2_000_000, bitstream=False)
    assert np.prod((3, 160, 160)) == 76800
