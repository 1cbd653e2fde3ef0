"""Every layer's stream watched: the layer with a changed memory is named, whatever its outputs make of it."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from fermatnet.cli.sim import command
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.interface import read_interface
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run, save
from fermatnet.model.network.nodes import Affine, Conv, Dense, MaxPool
from fermatnet.sim.network import simulate
from fermatnet.sim.runner import SimulationError
from fermatnet.sim.several import simulate_several
from fermatnet.sim.taps import first_difference, tapped, values

SIMULATOR = "icarus" if shutil.which("iverilog") else "verilator"


def network(outputs=("dense",)):
    r = np.random.default_rng(3)
    nodes = [
        Conv("conv1", ("image",), r.integers(-127, 128, (4, 1, 3, 3)), pad=(1, 1, 1, 1)),
        Affine("scale", ("conv1",), r.integers(1, 9, 4), r.integers(-99, 99, 4), 7, -128, 127),
        Conv("conv2", ("scale",), r.integers(-127, 128, (4, 4, 3, 3)), pad=(1, 1, 1, 1)),
        Affine("scale2", ("conv2",), r.integers(1, 9, 4), r.integers(-99, 99, 4), 9, 0, 127),
        MaxPool("pool", ("scale2",), (2, 2), (2, 2)),
        Dense("dense", ("pool",), r.integers(-127, 128, (3, 16)), r.integers(-999, 999, 3)),
    ]
    return Network(nodes, (1, 4, 4), outputs=outputs)


@pytest.fixture(scope="module")
def net_and_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taps")
    net = network()
    generate(net, folder / "design", cycles=400)
    save(net, folder / "net.onnx")
    np.save(folder / "x.npy", np.random.default_rng(4).integers(0, 256, (3, 1, 4, 4)).astype(np.uint8))
    return net, folder


def changed(folder, tmp_path, memory, word, to=None):
    """A copy of the design with one word of a memory changed."""
    shutil.copytree(folder / "design", tmp_path / "changed")
    file = tmp_path / "changed" / memory
    words = file.read_text().split()
    words[word] = to or f"{int(words[word], 16) ^ 1:0{len(words[word])}x}"
    file.write_text("\n".join(words) + "\n")
    return tmp_path / "changed"


def call(folder, design, target, *more):
    """The result of the command, its status in ``return_value``."""
    arguments = [str(folder / "net.onnx"), "--input", str(folder / "x.npy"), "--output", str(target)]
    arguments += ["--verilog", str(design), "--layers", "--simulator", SIMULATOR, *more]
    return CliRunner().invoke(command, arguments, standalone_mode=False)


def test_a_right_design_has_every_stream(net_and_folder, tmp_path):
    net, folder = net_and_folder
    result = call(folder, folder / "design", tmp_path / "y.npy", "--stalls", "5")
    assert result.return_value == 0, result.output
    assert "6 layers: every stream is the reference's" in result.output
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), run(net, np.load(folder / "x.npy")))


def test_the_layer_of_a_changed_weight_is_named(net_and_folder, tmp_path):
    net, folder = net_and_folder
    memories = [name for name in read_interface(folder / "design")["files"]["memories"] if "weights" in name]
    for number, layer in enumerate(("conv1", "conv2", "dense")):
        design = changed(folder, tmp_path / layer, memories[number], 0)
        result = call(folder, design, tmp_path / "y.npy")
        assert result.return_value == 1
        assert f"layer '{layer}' ({type(net.node(layer)).__name__}) is the first" in result.output
        assert "image 0, channel" in result.output and "the design gives" in result.output


def test_a_difference_that_no_output_shows_is_named(net_and_folder, tmp_path):
    net, folder = net_and_folder
    streams, images = tmp_path / "streams", np.zeros((2, 1, 4, 4), np.uint8)
    streams.mkdir()
    simulate(folder / "design", images, simulator=SIMULATOR, layers=streams)
    assert first_difference(net, images, folder / "design", streams) is None
    file = streams / "layer_3.txt"
    text = file.read_text()
    file.write_text(text[:-2] + ("0" if text[-2] == "1" else "1") + "\n")
    words = first_difference(net, images, folder / "design", streams)
    assert "layer 'scale2' (Affine)" in words and "image 1, channel 3, row 3, column 3" in words
    file.write_text(text[: len(text) // 2])
    words = first_difference(net, images, folder / "design", streams)
    assert words == "all values are right, but the stream of layer 'scale2' ended early"
    file.write_text(text + text[:9])
    assert "it gives 129 values, the reference 128" in first_difference(
        net, images, folder / "design", streams
    )


def test_a_run_that_fails_names_the_layer_too(net_and_folder, tmp_path):
    _, folder = net_and_folder
    name = read_interface(folder / "design")["files"]["memories"][0]
    word = (folder / "design" / name).read_text().split()[0]
    result = call(folder, changed(folder, tmp_path, name, 0, "x" * len(word)), tmp_path / "y.npy")
    assert isinstance(result.exception, SimulationError) and not (tmp_path / "y.npy").exists()
    words = str(result.exception)
    assert "an unknown (X) on m_axis" in words and "layer 'scale' (Affine) is the first" in words


def test_payloads_are_read_lane_by_lane(tmp_path):
    (tmp_path / "layer_0.txt").write_text("111000\n010101\n")
    np.testing.assert_array_equal(values(tmp_path / "layer_0.txt", 2, True), [0, -1, -3, 2])
    np.testing.assert_array_equal(values(tmp_path / "layer_0.txt", 2, False), [0, 7, 5, 2])
    (tmp_path / "layer_1.txt").write_text("1x1000\n")
    with pytest.raises(SimulationError, match="unknown"):
        values(tmp_path / "layer_1.txt", 2, True)
    (tmp_path / "layer_2.txt").write_text("")
    assert not values(tmp_path / "layer_2.txt", 1, True).size


def test_other_designs_are_refused(net_and_folder, tmp_path):
    _, folder = net_and_folder
    interface = read_interface(folder / "design")
    with pytest.raises(InputError, match="does not say its layers"):
        tapped({"a.v": "module other(); endmodule\n"}, interface)
    net = Network([Dense("other", ("image",), np.ones((2, 16), np.int64))], (1, 4, 4))
    with pytest.raises(InputError, match="it has no layer 'other'"):
        first_difference(net, np.zeros((1, 1, 4, 4), np.uint8), folder / "design", tmp_path)


def test_several_outputs_are_watched_too(tmp_path):
    net = network(("dense", "scale2"))
    generate(net, tmp_path / "design", cycles=400)
    streams, images = tmp_path / "streams", np.random.default_rng(5).integers(0, 256, (2, 1, 4, 4))
    streams.mkdir()
    samples = images.astype(np.uint8)
    simulate_several(tmp_path / "design", {"image": samples}, simulator=SIMULATOR, layers=streams)
    assert first_difference(net, samples, tmp_path / "design", streams) is None
    file = streams / "layer_0.txt"
    text = file.read_text()
    file.write_text(("0" if text[0] == "1" else "1") + text[1:])
    assert "layer 'conv1' (Conv)" in first_difference(net, {"image": samples}, tmp_path / "design", streams)
