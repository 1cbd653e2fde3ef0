"""The runtime bench: interleaved times, ratios to the fastest form, equality that can fail."""

import time

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from fermatnet.bench.runtime import packed, rivals
from fermatnet.bench.runtime.networks import random_images, twin
from fermatnet.runtime.packed import build

pytestmark = pytest.mark.skipif(bool(build.why_not()), reason="no C++ compiler")


def test_compare():
    """Every way is called in turns, several times in a row, and the least time is kept."""
    order = []

    def call(name: str, seconds: float):
        def run():
            order.append(name)
            until = time.thread_time() + seconds
            while time.thread_time() < until:
                pass

        return run

    times = packed.compare({"a": call("a", 0.001), "b": call("b", 0.004)}, 1, 0.0)
    assert "".join(order) == "ab" + 5 * ("a" * packed.IN_A_ROW + "b" * packed.IN_A_ROW)
    assert 0.001 <= times["a"] < times["b"]
    rows = packed._rows(
        "net", 2, 1, {"packed, x": times["a"], "packed, y": times["b"], "rival": 2 * times["a"]}
    )
    assert [row["times"] for row in rows][::2] == [1.0, 2.0] and rows[0]["us"] == pytest.approx(
        times["a"] / 2 * 1e6
    )


def test_equality(monkeypatch):
    figures = packed.equality(2, 50)
    assert figures["networks"] == 2 and all(not seeds for seeds in figures["wrong"].values())
    reference = packed.run_reference
    monkeypatch.setattr(packed, "run_reference", lambda net, images: reference(net, images) + 1)
    assert all(seeds == [50] for seeds in packed.equality(1, 50)["wrong"].values())


def test_rivals_compute_the_same_topology():
    """torch's ways agree, and onnxruntime's fp32 form of the model with them, to rounding; its INT8 forms are
    near.
    """
    shape = (1, 28, 28)
    model, images = twin("small-resnet", shape), random_images(shape, 8)
    wanted, last = (way().numpy() for way in rivals.torch_ways(model, images, False).values())
    models = rivals.ort_models(model, random_images(shape, 64))
    outputs = {name: rivals.ort_session(data, images, 1)()[0] for name, data in models.items()}
    spread = np.abs(wanted).max()
    assert np.abs(last - wanted).max() < 1e-4 * spread
    assert np.abs(outputs.pop("onnxruntime fp32") - wanted).max() < 1e-4 * spread
    assert len(outputs) == 2 and all(0 < np.abs(y - wanted).max() < 0.3 * spread for y in outputs.values())
