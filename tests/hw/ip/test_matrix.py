"""``fermatnet ip matrix``: what it writes, that it computes (Verilator), and what it refuses in one line."""

import json

import numpy as np
import pytest

from fermatnet.hw.ip.registry import generate
from fermatnet.model.errors import InputError
from fermatnet.sim import bench
from fermatnet.sim.runner import SimulationError


def write(folder, weight, name="block", **options):
    np.save(folder / "w.npy", weight)
    directory = folder / name
    directory.mkdir()
    return directory, generate("matrix", directory, weights=str(folder / "w.npy"), **options)


def test_the_same_bytes_twice(tmp_path):
    weight, texts = np.random.default_rng(0).integers(-7, 8, (6, 9)), []
    for name in ("first", "second"):
        directory, interface = write(tmp_path, weight, name, input_bits=4)
        texts.append({path.name: path.read_bytes() for path in directory.iterdir()})
        assert json.loads((directory / "interface.json").read_text())["top"] == "matrix"
        assert interface["cycles"] == 1 and interface["latency_cycles"] >= 1
    assert texts[0] == texts[1] and set(texts[0]) == {"matrix.v", "interface.json"}


@pytest.mark.parametrize(("target", "signed", "stages"), [("lut6", True, 2), ("ecp5", False, 3)])
def test_computes(target, signed, stages, tmp_path):
    weight = np.random.default_rng(stages).integers(-11, 12, (6, 10), dtype=np.int8)
    weight[2] = 0
    directory, _ = write(tmp_path, weight, input_bits=3, signed=signed, target=target, stages=stages)
    bench.check(directory, vectors=200, stalls=None)
    bench.check(directory, vectors=100, stalls=4)
    if signed and target == "lut6":  # the check can fail
        weight[1, 1] += 1
        np.save(tmp_path / "w.npy", weight)
        with pytest.raises(SimulationError, match=r"vector \d+: 0x\w+, expected 0x\w+"):
            bench.check(directory, vectors=20)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (np.ones((2, 2)), "must be integers, not float64"),
        (np.full((2, 2), np.nan), "must be integers, not float64"),
        (np.zeros((0, 3), int), r"not empty, not of shape \(0, 3\)"),
        (np.zeros(3, int), r"outputs by inputs and not empty, not of shape \(3,\)"),
        (np.array([[1, 70000]]), "reach from 1 to 70000: beyond -32768..32767"),
        (np.array([[1, -70000]]), "reach from -70000 to 1"),
        (np.ones((2, 2), bool), "must be integers, not bool"),
        (np.ones((400, 400), int), "160000 values that are not 0, more than"),
    ],
)
def test_bad_weights(weight, words, tmp_path):
    with pytest.raises(InputError, match=words):
        write(tmp_path, weight)
    assert not list((tmp_path / "block").iterdir())


def test_bad_files_and_options(tmp_path):
    for options, words in (
        ({}, "needs weights"),
        ({"weights": str(tmp_path / "none.npy")}, "cannot read weights"),
        ({"weights": __file__}, "cannot read weights"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            generate("matrix", tmp_path, **options)
        assert "\n" not in str(caught.value)
    np.savez(tmp_path / "two.npz", a=np.ones(2), b=np.ones(2))
    with pytest.raises(InputError, match="not an archive"):
        generate("matrix", tmp_path, weights=str(tmp_path / "two.npz"))
    for options, words in (({"input_bits": 17}, "input_bits must be"), ({"stages": -1}, "stages must not")):
        with pytest.raises(InputError, match=words):
            write(tmp_path, np.ones((2, 2), int), words[:5], **options)
