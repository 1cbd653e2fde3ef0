"""What `fermatnet info` counts, against counts by hand."""

import json

import numpy as np
from click.testing import CliRunner

from fermatnet.cli.info import command
from fermatnet.model.network import Network, save
from fermatnet.model.network.nodes import Conv, Dense, Levels, PiecewiseConv, Threshold
from fermatnet.model.network.summary import summary
from fermatnet.model.network.types import width_of


def network():
    """8-bit pixels by 4-bit weights; planes; codes of 2 bits by weights of 5."""
    rows = np.tile(np.array([[10, 20, 30]]), (2, 1))
    sign = np.ones(2, np.int8)
    codes = np.array([[0, 2], [1, 2]], np.uint8).reshape(2, 2, 1, 1)
    nodes = [
        Conv("first", ("image",), np.full((2, 1, 3, 3), -8)),
        Threshold("act", ("first",), rows - 300, sign),
        PiecewiseConv("planes", ("act",), codes, np.array([-1, 0, 1]), np.array([0, 1, 2, 3])),
        Threshold("act2", ("planes",), rows, sign),
        Levels("codes", ("act2",), np.arange(4)),
        Dense("last", ("codes",), np.full((3, 18), 15)),
    ]
    return Network(nodes, (1, 5, 5))


def test_arithmetic_computation_effort(tmp_path):
    net = network()
    found = summary(net)
    effort = {layer["name"]: layer["ace"] for layer in found["layers"]}
    wanted = {"first": 162 * 4 * 8, "planes": 36 * 2 * 3, "last": 54 * 4 * 2}
    assert {name: ace for name, ace in effort.items() if ace} == wanted
    assert found["ace"] == sum(wanted.values())
    save(net, tmp_path / "net.onnx")
    shown = CliRunner().invoke(command, [str(tmp_path / "net.onnx"), "--json"])
    assert json.loads(shown.output)["ace"] == found["ace"]
    table = CliRunner().invoke(command, [str(tmp_path / "net.onnx")], terminal_width=200).output
    assert "ACE" in table


def test_widths():
    cases = {(0,): 1, (1,): 1, (15, 3): 4, (-8, 7): 4, (-15, 15): 5, (-1, 0): 1, (-1, 1): 2}
    assert {values: width_of(np.array(values)) for values in cases} == cases
