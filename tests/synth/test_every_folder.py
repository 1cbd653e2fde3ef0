"""Every kind of generated folder, read as it lies there by yosys, Icarus, Verilator and slang."""

import re
import subprocess

import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.boards.clock.primitives import MODELS
from fermatnet.boards.clock.settings import best
from fermatnet.boards.definitions.catalogue import find_board
from fermatnet.boards.project import make_top
from fermatnet.boards.top import TOP
from fermatnet.hw.bus.package import wrap
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.ip.registry import generate as generate_block
from fermatnet.model.errors import InputError
from fermatnet.sim import tools
from fermatnet.synth.wheels import yosys

CYCLES = 600


def network():
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


def plain(folder):
    made = generate(network(), folder, cycles=CYCLES)
    assert made["target"] == "plain" and not made["vendor_cells"]
    return made["files"]["verilog"], made["top"], ""


def by_layer(folder):
    made = generate(network(), folder, cycles=CYCLES, per_layer=True, name="mine")
    instances = {layer["instance"] for layer in made["layers"]}
    assert {"mine.v", *(f"mine_{name}.v" for name in instances)} >= set(made["files"]["verilog"])
    assert len(made["files"]["verilog"]) > len(instances) // 2
    return made["files"]["verilog"], made["top"], ""


def ecp5(folder):
    made = generate(network(), folder, cycles=CYCLES, device="ecp5-25k")
    assert made["target"] == "ecp5" and made["vendor_cells"] == ["CCU2C", "MULT18X18D"]
    return made["files"]["verilog"], made["top"], "ecp5"


def block(name, **options):
    def made(folder):
        folder.mkdir()
        found = generate_block(name, folder, **options)
        return found["files"]["verilog"], found["top"], ""

    return made


def bus(folder):
    generate(network(), folder.with_suffix(".hw"), cycles=CYCLES, reloadable=True)
    made = wrap(folder.with_suffix(".hw"), folder)
    return made["sources"], made["name"], ""


def board(name):
    def made(folder):
        one = find_board(name)
        kind = one.device if one.family == "gowin" else one.family
        setting = best(kind, one.clock_mhz, 50.0, 1_000_000)
        interface = generate(network(), folder, cycles=CYCLES, device=one.device, external="none")
        project = make_top(folder, interface, one, setting, 1_000_000)
        (folder / "pll_model.v").write_text(
            MODELS[one.family]
        )  # of the simulated board: the vendor has its own
        return [*project.sources, "pll_model.v"], TOP, one.family

    return made


KINDS = {
    "network": plain,
    "a file a layer": by_layer,
    "cells of ecp5": ecp5,
    "popcount": block("popcount"),
    "butterfly": block("butterfly"),
    "threshold": block("threshold"),
    "bus": bus,
    "ulx3s": board("ulx3s-85f"),
    "tangnano9k": board("tangnano9k"),
}


@pytest.fixture(scope="module", params=KINDS)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds") / "out"
    return folder, *KINDS[request.param](folder)


def test_names_are_plain(made):
    folder, sources, _, _ = made
    for name in sources:
        text = re.sub(r'"[^"\n]*"|//.*', "", (folder / name).read_text())
        assert "\\" not in text, name
        assert set(re.findall(r"\$\w+|\w+\$\w*", text)) <= {"$signed", "$readmemh", "$unsigned"}, name


def test_yosys(made):
    """Read without an option; cells of a family by name are only in what was generated for it."""
    folder, sources, top, family = made
    library = "read_verilog -lib +/ecp5/cells_sim.v +/ecp5/cells_bb.v; " if family == "ecp5" else ""
    yosys(f"{library}read_verilog {' '.join(sources)}; hierarchy -check -top {top}; proc; check", folder)
    if top != TOP and library:
        with pytest.raises(InputError, match="refused"):
            yosys(f"read_verilog {' '.join(sources)}; hierarchy -check -top {top}", folder)


def test_icarus(made):
    folder, sources, top, _ = made
    for language in ("-g2005", "-g2012"):
        command = ["iverilog", language, "-Wall", "-Wno-timescale", "-t", "null", "-s", top, *sources]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr[:2000]


def test_verilator(made):
    """Widths are as the back end leaves them (the waivers of a network say why), all else is judged."""
    folder, sources, top, _ = made
    tool, waivers = tools.find("verilator"), [path.name for path in folder.glob("*.vlt")]
    command = ["verilator", "--lint-only", "-Wno-WIDTH", "--top-module", top, *waivers, *sources]
    done = subprocess.run(
        command, cwd=folder, env=tool.environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]


def test_slang(made):
    pyslang = pytest.importorskip("pyslang")
    folder, sources, top, _ = made
    compilation = pyslang.ast.Compilation()
    for name in sources:
        compilation.addSyntaxTree(pyslang.syntax.SyntaxTree.fromFile(str(folder / name)))
    assert not [str(one.code) for one in compilation.getAllDiagnostics() if one.isError()]
    assert top in [str(instance.name) for instance in compilation.getRoot().topInstances]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "ecp5", "device": "xc7z020"}, "cells that xc7z020 has not"),
        ({"target": "ice40"}, "target must be one of auto, plain, ecp5, not 'ice40'"),
    ],
)
def test_targets_that_cannot_be(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        generate(network(), tmp_path / "out", cycles=CYCLES, **options)
    assert not (tmp_path / "out").exists()


def test_target_against_device(tmp_path):
    """Plain for a device of a family with cells; the family's cells without naming a device."""
    made = generate(network(), tmp_path / "plain", cycles=CYCLES, device="ecp5-85k", target="plain")
    assert (made["target"], made["vendor_cells"]) == ("plain", [])
    assert "CCU2C" not in (tmp_path / "plain" / "fermatnet.v").read_text()
    made = generate(network(), tmp_path / "cells", cycles=CYCLES, target="ecp5")
    assert (
        made["vendor_cells"] == ["CCU2C", "MULT18X18D"]
        and "CCU2C" in (tmp_path / "cells" / "fermatnet.v").read_text()
    )
