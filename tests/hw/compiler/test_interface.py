"""interface.json comes back as it was written, and a damaged one is refused by name."""

import json

import numpy as np
import pytest

from fermatnet.hw.compiler import generate as network
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.hw.ip import registry as ip
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.nodes import Affine


@pytest.fixture
def design(tmp_path):
    network.generate(
        Network([Affine("scale", ("image",), np.array([3, 5]), np.array([0, -2]), 1, 0, 255)], (2, 3, 3)),
        tmp_path / "design",
    )
    return tmp_path / "design"


def damage(design, place, value):
    """Sets (or with None removes) one place, named by its keys with dots between."""
    path = design / "interface.json"
    interface = json.loads(path.read_text())
    *above, last = place.split(".")
    at = interface
    for key in above:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    path.write_text(json.dumps(interface))


def test_a_whole_one_is_read(design, tmp_path):
    interface = read_interface(design, "network")
    assert interface["input"]["shape"] == [2, 3, 3] and interface == read_interface(design)
    (tmp_path / "adder").mkdir()
    ip.generate("adder", tmp_path / "adder", b=8)
    assert read_interface(tmp_path / "adder", "block")["options"]["b"] == 8
    with pytest.raises(InputError, match=r"holds the block 'adder', a network is wanted"):
        read_interface(tmp_path / "adder", "network")
    with pytest.raises(InputError, match=r"holds the network .*, a block is wanted"):
        read_interface(design, "block")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("top", None, "it has no top"),
        ("top", 7, "top must be str, not '7'"),
        ("files.memories", {}, "files.memories must be list"),
        ("files.verilog.0", "../../etc/passwd", "is incomplete: ../../etc/passwd is missing"),
        ("files.verilog.0", "other.v", "is incomplete: other.v is missing"),
        ("cycles_per_image", 0, "cycles_per_image must lie within 1..2147483647, not 0"),
        ("cycles_per_image", True, "cycles_per_image must be int, not 'True'"),
        ("clock_mhz", "fast", "clock_mhz must be float, not 'fast'"),
        ("input.shape", [2, 3], "input.shape must hold 3 values, not 2"),
        ("input.range", [0], "input.range must hold 2 values, not 1"),
        ("output.value_bits", "x", "output.value_bits must be int"),
        ("output", [], "output must be dict"),
        ("output.tdata_bits", 4, "contradicts itself: output of shape"),
        ("input.beats_per_image", 10, "contradicts itself: input of shape"),
    ],
)
def test_a_damaged_one_is_refused_by_name(design, place, value, words):
    damage(design, place, value)
    with pytest.raises(InputError, match=words) as caught:
        read_interface(design, "network")
    assert "\n" not in str(caught.value)
