"""The bench of published networks, on a small network and drawn images."""

import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.bench.training import published
from fermatnet.model.errors import InputError
from fermatnet.model.network import run as reference
from fermatnet.model.network import save
from fermatnet.sim import network


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A network of 4x4 images among four classes, right about every second of 20 images."""
    net = pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)
    save(net, tmp_path / "small.onnx")
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 4, 4), dtype=np.uint8)
    labels = reference(net, images).argmax(1)
    labels[::2] = (labels[::2] + 1) % 4
    test = SimpleNamespace(images=images, labels=labels)
    monkeypatch.setattr(published.datasets, "load", lambda _: SimpleNamespace(test=test))
    found = {"luts": 1, "ffs": 2, "brams": 3, "dsps": 4, "versions": {}}
    monkeypatch.setattr(published, "_synthesised", lambda folder: found)
    for name, value in {"NETWORKS": {"small": "small.onnx"}, "CYCLES": 600, "IMAGES": 20, "PART": 8}.items():
        monkeypatch.setattr(published, name, value)
    monkeypatch.setattr(published, "SIMULATED", 6)
    monkeypatch.setattr(published, "RUN", 3)
    quick = partial(network.simulate, simulator="icarus")  # a build of Verilator takes longer than all else
    monkeypatch.setattr(network, "simulate", quick)
    return tmp_path


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
def test_row(small, capsys):
    """Parts add up, and are not measured again."""
    (row,) = published.run(models=str(small), data="any", results=str(small / "kept.jsonl"))
    assert (row["accuracy"], row["rtl_equal"], row["rtl_images"], row["luts"]) == (50.0, 6, 6, 1)
    assert "6 of 6 equal" in capsys.readouterr().out
    assert len((small / "kept.jsonl").read_text().splitlines()) == 3 + 2 + 1
    published.run(models=str(small), data="any", results=str(small / "kept.jsonl"))
    assert len((small / "kept.jsonl").read_text().splitlines()) == 3 + 2 + 1


def test_images_that_differ_are_not_counted(small, monkeypatch):
    """A simulation that is right about all but the first image of each part."""

    def wrong(folder, images, **_):
        outputs = reference(published.load(small / "small.onnx"), images)
        outputs[0, -1] += 1
        return SimpleNamespace(outputs=outputs)

    monkeypatch.setattr(network, "simulate", wrong)
    (row,) = published.run(models=str(small), data="any", results=str(small / "kept.jsonl"))
    assert (row["rtl_equal"], row["rtl_images"]) == (4, 6)


def test_folders_are_asked_for():
    with pytest.raises(InputError, match="--data DIR"):
        published.run()
