"""``import fermatnet`` alone: light, typed, and every name documented."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import fermatnet as fn


def test_it_is_light():
    loaded = "[m for m in ('torch', 'amaranth', 'onnx') if m in sys.modules]"
    code = f"import sys, fermatnet as fn; dir(fn); fn.InputError; print({loaded})"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", fn.__all__)
def test_every_name_is_documented(name):
    thing = getattr(fn, name)
    assert len(inspect.getdoc(thing) or "") > 30
    assert name in dir(fn)


def test_a_name_that_is_not_there():
    assert fn.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="has no attribute 'train'; it has Board, Engine, InputError"):
        fn.train  # noqa: B018


def test_quantize_export_run_save_load_generate(tmp_path):
    images = torch.randint(0, 256, (8, 1, 6, 6), dtype=torch.uint8)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    q = fn.quantize(model, fn.scheme("int8"), input_shape=(1, 6, 6), calibration=images)
    assert all(change.why for change in q.changes)
    q.train()
    net = fn.export(q, name="small")
    assert q.training and isinstance(net, fn.Network)
    net.save(tmp_path / "n.onnx")
    again = fn.load(tmp_path / "n.onnx")
    assert np.array_equal(net.run(images.numpy()), again.run(images.numpy()))
    assert np.array_equal(fn.Engine(again)(images.numpy()), net.run(images.numpy()))
    assert fn.generate(again, tmp_path / "hw", cycles=4000)["cycles_per_image"] <= 4000
    with pytest.raises(fn.InputError, match=r"not made by fermatnet.quantize"):
        fn.export(model)


def test_slips_of_the_hand_are_refused_by_name():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    images = torch.randint(0, 256, (8, 1, 6, 6), dtype=torch.uint8)
    with pytest.raises(fn.InputError, match=r"shape must be \(C, H, W\)"):
        fn.quantize(model, fn.scheme("int8"), 8, calibration=images)
    for odd in (images.to("meta"), images.to_sparse()):
        with pytest.raises(fn.InputError, match="dense tensor with its numbers"):
            fn.quantize(model, fn.scheme("int8"), (1, 6, 6), calibration=odd)
    net = fn.export(fn.quantize(model, fn.scheme("int8"), (1, 6, 6), calibration=images))
    for odd in (images, images.tolist(), None):
        with pytest.raises(fn.InputError, match=r"must be a numpy array of integers, not .*x\.numpy\(\)"):
            net.run(odd)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, x, y):
        joined = torch.relu(self.a(x)) + self.b(y)
        return joined, joined.relu()


def test_several_inputs_and_outputs_go_by_name(tmp_path, monkeypatch):
    samples = {"x": torch.randint(0, 256, (8, 3), dtype=torch.uint8)}
    samples["y"] = torch.randint(0, 256, (8, 2), dtype=torch.uint8)
    q = fn.quantize(Pair(), fn.scheme("int8"), {"x": (3,), "y": (2,)}, calibration=samples)
    net = fn.export(q)
    arrays = {name: values.numpy() for name, values in samples.items()}
    assert set(net.run(arrays)) == set(net.outputs) and len(net.outputs) == 2
    fn.generate(net, tmp_path / "hw", cycles=100)
    with pytest.raises(fn.InputError, match="takes x, y: give a dict with one array a name"):
        fn.simulate(tmp_path / "hw", arrays["x"])
    from fermatnet.sim import several

    monkeypatch.setattr(several, "simulate_several", lambda directory, images, **more: (images, more))
    images, more = fn.simulate(tmp_path / "hw", arrays, stalls=3)
    assert images is arrays and more == {"stalls": 3, "waves": None}
