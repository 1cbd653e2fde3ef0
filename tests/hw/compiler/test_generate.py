"""The compiler end to end: generated files, refusals, layouts and names; random networks are in
test_random_networks.py."""

import filecmp
import json
import shutil
import subprocess

import numpy as np
import pytest

from fermatnet.bench.samples.networks import random_network
from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.layers import Fold, layer_of
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, load, run, save
from fermatnet.model.network.nodes import Add, Conv, Dense, Levels, SumPool, Threshold


def images_for(net, count, number):
    return np.random.default_rng(number).integers(0, 256, (count, *net.input_shape)).astype(np.uint8)


def check_rtl(net, number, pick):
    """RTL == reference, without and then with stalls; cycles between images exact, latency too where nothing
    queues."""
    folds = {node.name: pick(layer_of(net, node).folds()) for node in net.nodes}
    # A device without trees of its own: random levels would have a new tree searched for every layer.
    design = plan(net, folds=folds, device="ice40-hx8k", external="none")
    images = images_for(net, 5, number)
    result = simulate_top(Top(design), images, seed=number, calm=3)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    assert result.ends[2] - result.ends[1] == design.cycles_per_image
    queued = any(edge.before or edge.after for edge in design.schedule.edges.values())
    assert design.latency <= result.latency <= (design.latency_bound if queued else design.latency)


def test_files_come_back_as_they_were_saved(tmp_path):
    for number in range(12):
        net = random_network(number)
        save(net, tmp_path / "net.onnx")
        images = images_for(net, 2, number)
        np.testing.assert_array_equal(
            run(load(tmp_path / "net.onnx"), images), run(net, images), err_msg=f"seed {number}"
        )


def small():
    return pa_resnet((2, 6, 6), (4, 8), (1, 1), seed=3)


def test_generated_folder(tmp_path):
    """Twice the same bytes; the interface says what the top level has; lint is clean but for the listed
    waivers."""
    for name in ("a", "b"):
        description = generate(small(), tmp_path / name, cycles=2500)
    compared = filecmp.dircmp(tmp_path / "a", tmp_path / "b")
    assert not compared.diff_files and not compared.left_only and not compared.right_only
    assert json.loads((tmp_path / "a" / "interface.json").read_text()) == description
    text = (tmp_path / "a" / "fermatnet.v").read_text()
    header = text[text.rindex("module fermatnet(") :]
    for port in (
        "s_axis_tdata",
        "s_axis_tvalid",
        "s_axis_tready",
        "s_axis_tlast",
        "m_axis_tdata",
        "m_axis_tlast",
        "clk",
        "rst",
    ):
        assert port in header[: header.index(";")]
    assert (
        description["cycles_per_image"] <= 2500
        and description["input"]["beats_per_image"] * description["input"]["lanes"] == 72
    )
    for layer in description["layers"]:
        assert f" {layer['instance']} (" in text
    for file in description["files"]["memories"]:
        assert (tmp_path / "a" / file).is_file() and file in (tmp_path / "a" / "fermatnet.core").read_text()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reloadable": True, "tlast": "ignore", "name": "mine"},
        {"frame_buffer": True, "tkeep": True, "tdata_width": 64, "name": "other"},
    ],
)
def test_lint(tmp_path, options):
    from fermatnet.sim import tools

    tool = tools.find("verilator")
    top = generate(small(), tmp_path / "a", cycles=2500, **options)["top"]
    assert top == options.get("name", "fermatnet")
    command = ["verilator", "--lint-only", "-Wall", f"{top}.vlt", f"{top}.v", "--top-module", top]
    assert shutil.which("verilator", path=dict(tool.environ())["PATH"])
    done = subprocess.run(command, cwd=tmp_path / "a", env=tool.environ(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]


REFUSALS = [
    ({"cycles": 10}, "cannot be met.*at best"),
    ({"luts": 50}, "LUTs cannot be met: the smallest network takes about"),
    ({"fps": 1e8}, "cannot be met"),
    ({"fps": 10, "cycles": 5}, "only one of"),
    ({"device": "abacus"}, r"device must be one of .*ecp5-85k.*, not 'abacus'"),
    ({"clock_mhz": 0.0, "fps": 3}, "clock"),
    ({"folds": {"s1b1_conv1": Fold(3, 1)}}, "'s1b1_conv1'.*does not divide"),
    ({"folds": {"nowhere": Fold(1, 1)}}, "no layer"),
]


@pytest.mark.parametrize("options, message", REFUSALS)
def test_refusals_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message) as caught:
        generate(small(), tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == [] and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cycles": "4"}, "cycles must be a finite number, not '4'"),
        ({"cycles": float("inf")}, "cycles must be a finite number, not inf"),
        ({"cycles": 400.5}, "cycles must be a whole number"),
        ({"fps": float("nan")}, "fps must be a finite number, not nan"),
        ({"clock_mhz": float("inf"), "cycles": 400}, "clock_mhz must be a finite number"),
    ],
)
def test_goals_that_are_no_numbers(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        generate(small(), tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_nearest_that_can_be_met_is_met():
    with pytest.raises(InputError) as caught:
        plan(small(), cycles=10)
    nearest = int(str(caught.value).split()[-3])
    assert plan(small(), cycles=nearest).cycles_per_image == nearest
    with pytest.raises(InputError):
        plan(small(), cycles=nearest - 1)


def test_unsupported_layers_are_named():
    class Strange(Levels):
        pass

    net = small()
    with pytest.raises(InputError, match="'odd': a Strange cannot be generated"):
        layer_of(net, Strange("odd", ("norm1",), np.zeros(3, np.int64)))


def test_shapes_that_do_not_fit_are_named():
    nodes = [SumPool("a", ("image",), (2, 2)), SumPool("b", ("image",), (1, 1)), Add("both", ("a", "b"))]
    with pytest.raises(InputError, match=r"^layer 'both': [^\n]*$"):
        Network(nodes, (2, 4, 4))


def test_padding_wider_than_the_window_is_refused_by_name():
    net = Network(
        [Conv("wide", ("image",), np.ones((2, 1, 1, 1), np.int64), pad=(1, 1, 1, 1), engine="direct")],
        (1, 4, 4),
    )
    with pytest.raises(InputError, match=r"'wide'.*padding"):
        plan(net)


def test_a_full_folder_is_kept(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        generate(small(), tmp_path, cycles=3000)
    assert (tmp_path / "file").read_text() == "mine"


def test_dense_flattens_as_the_file_says():
    """Dense after a map: (C, H, W) in the file, (H, W, C) on the stream."""
    rng = np.random.default_rng(0)
    net = Network(
        [Dense("fc", ("image",), rng.integers(-9, 10, (4, 24)), rng.integers(-99, 99, 4))], (2, 3, 4)
    )
    check_rtl(net, 1, lambda options: options[len(options) // 2])


def test_names_that_verilog_has_no_use_for():
    limits = np.array([[10, 90], [40, 200]])
    nodes = [
        Threshold("1/act.a", ("image",), limits, np.ones(2, np.int8)),
        Levels("1/act_a", ("1/act.a",), np.array([0, 3, 9])),
        SumPool("sink", ("1/act_a",)),
    ]
    design = plan(Network(nodes, (2, 3, 3)))
    assert len(set(design.instances().values())) == 3 and all(
        name.isidentifier() for name in design.instances().values()
    )
    images = images_for(design.net, 2, 0)
    np.testing.assert_array_equal(simulate_top(Top(design), images).outputs, run(design.net, images))
