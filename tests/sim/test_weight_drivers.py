"""Designs whose weights come from outside, or can be loaded: `simulate` brings what their other ports
need."""

import json

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.weights import with_weights_of
from fermatnet.hw.compiler import generate as network
from fermatnet.model.errors import InputError
from fermatnet.model.network import run
from fermatnet.sim import weight_drivers
from fermatnet.sim.network import simulate
from fermatnet.sim.runner import SimulationError


@pytest.fixture(scope="module")
def net():
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


@pytest.fixture(scope="module")
def design(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("surrounded") / "design"
    names = [node.name for node in net.nodes if hasattr(node, "codes")]
    description = network.generate(
        net, folder, folds={}, external=names, reloadable=True, name="other", tdata_width="padded", tkeep=True
    )
    assert [feed["layer"] for feed in description["external"]] == names and "reload" in description
    return folder


@pytest.mark.parametrize("stalls", [None, 3])
def test_values_and_cycles(net, design, stalls):
    images = np.random.default_rng(1).integers(0, 256, (4, *net.input_shape)).astype(np.uint8)
    result = simulate(design, images, stalls=stalls)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    interface = json.loads((design / "interface.json").read_text())
    if stalls is None:
        assert (result.cycles_per_image, result.first_latency) == (
            interface["cycles_per_image"],
            interface["latency_cycles"],
        )
    else:
        assert result.first_latency > interface["latency_cycles"]  # words that come late hold the layers up


def test_a_wrong_weight_word_is_noticed(net, design, tmp_path):
    import shutil

    shutil.copytree(design, tmp_path / "copy")
    for file in (tmp_path / "copy").glob("*_w_*.hex"):  # the same words in another order
        file.write_text("".join(f"{word}\n" for word in reversed(file.read_text().split())))
    images = np.random.default_rng(1).integers(0, 256, (4, *net.input_shape)).astype(np.uint8)
    assert not np.array_equal(simulate(tmp_path / "copy", images).outputs, run(net, images))
    file.unlink()
    with pytest.raises(InputError, match=f"is incomplete: {file.name} is missing"):
        simulate(tmp_path / "copy", images)


def test_loaded_weights(net, tmp_path):
    """The same compiled design with its own weights, with others, and with a burst that it must refuse."""
    folder = tmp_path / "design"
    network.generate(net, folder, folds={}, reloadable=True, name="stored", frame_buffer=True)
    other = with_weights_of(net, pa_resnet((1, 4, 4), (2,), (1,), seed=4, classes=4))
    images = np.random.default_rng(1).integers(0, 256, (4, *net.input_shape)).astype(np.uint8)
    burst = network.load_burst(other, folder)
    assert not np.array_equal(run(net, images), run(other, images))
    for load, expected in (((), net), (burst, other), (network.load_burst(net, folder), net)):
        for stalls in (None, 2):
            result = simulate(folder, images, load=load, stalls=stalls)
            np.testing.assert_array_equal(result.outputs, run(expected, images))
    interface = json.loads((folder / "interface.json").read_text())
    loaded = simulate(folder, images, load=burst, driver="cocotb")
    np.testing.assert_array_equal(loaded.outputs, run(other, images))
    assert (loaded.cycles_per_image, loaded.first_latency) == (
        interface["cycles_per_image"],
        interface["latency_cycles"],
    )
    for bad in (burst[:-1], [*burst[:3], burst[3] ^ 1, *burst[4:]], [burst[0] + 1, *burst[1:]]):
        with pytest.raises(SimulationError, match="refused the load"):
            simulate(folder, images, load=bad)


def test_only_reloadable_designs_take_a_load(net, tmp_path):
    network.generate(net, tmp_path / "plain", folds={})
    with pytest.raises(InputError, match="cannot be loaded: generate it with --reloadable"):
        simulate(tmp_path / "plain", np.zeros((1, *net.input_shape), np.uint8), load=[1, 2, 3])


def test_plain_designs_need_nothing():
    assert not weight_drivers.needed({"external": []}) and weight_drivers.needed(
        {"reload": {"port": "s_load"}}
    )
