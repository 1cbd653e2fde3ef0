"""Weights at run time from the command line: a reloadable design takes another network's weights and computes
that network."""

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.samples.weights import reshuffled
from fermatnet.model.network import run, save

from .test_main import fermatnet


@pytest.fixture
def files(tmp_path):
    first = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)
    second = reshuffled(first, 1)
    save(first, tmp_path / "first.onnx")
    save(second, tmp_path / "second.onnx")
    save(pa_resnet((1, 4, 4), (2, 4), (1, 1), seed=3, classes=4), tmp_path / "other.onnx")
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 4, 4)).astype(np.uint8)
    np.save(tmp_path / "x.npy", images)
    assert not np.array_equal(run(first, images), run(second, images))
    done = fermatnet(
        "verilog", f"{tmp_path}/first.onnx", "--out", f"{tmp_path}/hw", "--cycles", "600", "--reloadable"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path, run(second, images)


def test_load_and_simulate(files):
    folder, expected = files
    done = fermatnet(
        "load", f"{folder}/first.onnx", "--verilog", f"{folder}/hw", "--out", f"{folder}/own.hex"
    )
    assert done.returncode == 0 and "words of 32 bits" in done.stdout
    assert (folder / "own.hex").read_text() == (folder / "hw/fermatnet_load.hex").read_text()
    common = ("--verilog", f"{folder}/hw", "--input", f"{folder}/x.npy", "--output", f"{folder}/y.npy")
    done = fermatnet("sim", f"{folder}/second.onnx", *common, "--load", "--stalls", "2")
    assert done.returncode == 0 and "equal to the reference" in done.stdout, done.stderr
    np.testing.assert_array_equal(np.load(folder / "y.npy"), expected)
    # without the load it is still the first network
    done = fermatnet("sim", f"{folder}/second.onnx", *common)
    assert done.returncode == 1 and "the design gives" in done.stdout
    done = fermatnet(
        "load", f"{folder}/other.onnx", "--verilog", f"{folder}/hw", "--out", f"{folder}/bad.hex"
    )
    assert (
        done.returncode == 2
        and "layers are not those of the design" in done.stderr
        and not (folder / "bad.hex").exists()
    )
