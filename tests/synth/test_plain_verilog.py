"""The generated folder in tools that know nothing of it: plain ``read_verilog`` in yosys; slang."""

import json

import numpy as np
import pytest

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Conv, Dense, Levels, Threshold
from fermatnet.synth.wheels import yosys

FLIP_FLOPS = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce")


def network():
    """With parameterised ROMs: weights, biases, thresholds of several levels."""
    rng = np.random.default_rng(0)
    limits = np.sort(rng.integers(-900, 900, (4, 3)), 1)
    nodes = [
        Conv("conv", ("image",), rng.integers(-9, 9, (4, 2, 3, 3)), pad=(1, 1, 1, 1), engine="direct"),
        Threshold("act", ("conv",), limits, np.ones(4, np.int8)),
        Levels("levels", ("act",), np.array([0, 1, 3, 5])),
        Dense("fc", ("levels",), rng.integers(-9, 9, (5, 64))),
    ]
    return Network(nodes, (2, 4, 4))


@pytest.fixture(scope="module", params=[{}, {"reloadable": True, "name": "mine"}])
def design(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return folder, generate(network(), folder / "hw", cycles=600, **request.param)


def drivers(netlist, top):
    """By port, the cell types that drive its bits ("" for a constant or an input)."""
    module = netlist["modules"][top]
    by_bit = {}
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                by_bit |= {bit: cell["type"] for bit in bits}
    return {
        name: {by_bit.get(bit, "") for bit in port["bits"]}
        for name, port in module["ports"].items()
        if port["direction"] == "output"
    }


def test_plain_read_verilog_and_registered_outputs(design):
    """No -defer; every output of the two streams is a flip-flop's."""
    folder, interface = design
    top = interface["top"]
    script = f"read_verilog {top}.v; hierarchy -check -auto-top; proc; flatten; opt_clean; check -assert"
    yosys(f"{script}; write_json ../netlist.json", folder / "hw")
    driver_cells = drivers(json.loads((folder / "netlist.json").read_text()), top)
    for name in (
        "m_axis_tdata",
        "m_axis_tvalid",
        "m_axis_tlast",
        "m_axis_tuser",
        "s_axis_tready",
        "error",
        "error_count",
    ):
        assert driver_cells[name] <= {
            *FLIP_FLOPS,
            *([""] if interface["stream"]["early_beats"] == 0 and name == "m_axis_tuser" else []),
        }, name


def test_slang_compiles_it(design):
    pyslang = pytest.importorskip("pyslang")
    folder, interface = design
    tree = pyslang.syntax.SyntaxTree.fromFile(str(folder / "hw" / f"{interface['top']}.v"))
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    assert not [
        str(diagnostic.code) for diagnostic in compilation.getAllDiagnostics() if diagnostic.isError()
    ]
    assert [str(instance.name) for instance in compilation.getRoot().topInstances] == [interface["top"]]
