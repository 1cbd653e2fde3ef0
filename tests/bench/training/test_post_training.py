"""The post-training bench: its recipe trains and resumes, onnxruntime quantizes the same model, bad options
are one line."""

import numpy as np
import pytest
import torch

from fermatnet.bench.training.draws import calibration_images
from fermatnet.bench.training.int4 import RIVALS as RIVALS_4
from fermatnet.bench.training.int4 import WAYS, quantized
from fermatnet.bench.training.int4 import run as run_int4
from fermatnet.bench.training.onnxruntime_static import quantized_accuracies
from fermatnet.bench.training.post_training import (
    RIVALS,
    onnxruntime_accuracy,
    ours,
    run,
    table,
)
from fermatnet.bench.training.post_training_nets import NETS, accuracy, read_float, train_float
from fermatnet.model.errors import InputError
from fermatnet.model.train.data import Data, Part


@pytest.fixture(scope="module")
def data():
    """Four classes: which quarter of a 28x28 image is bright."""
    rng = np.random.default_rng(0)

    def part(count):
        labels = rng.integers(0, 4, count)
        images = rng.integers(0, 60, (count, 1, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 2)
            image[0, 14 * row : 14 * row + 14, 14 * column : 14 * column + 14] += 120
        return Part(images, labels)

    return Data("quarters", part(2560), part(100), tuple(map(str, range(10))))


def test_a_recipe_resumes_and_both_quantize_what_it_trained(data, tmp_path):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    net, said = NETS["lenet5"], []
    whole = train_float(net, data, tmp_path / "whole.pt", epochs=3, say=said.append)
    assert [line.split(",")[0] for line in said] == [f"LeNet-5: epoch {n} of 3" for n in (1, 2, 3)]

    class Stop(Exception):
        pass

    def stop(line):
        if "epoch 2" in line:
            raise Stop

    with pytest.raises(Stop):
        train_float(net, data, tmp_path / "part.pt", epochs=3, say=stop)
    again = train_float(net, data, tmp_path / "part.pt", epochs=3, say=said.append)
    assert len(said) == 4 and all(map(torch.equal, whole.state_dict().values(), again.state_dict().values()))
    with pytest.raises(InputError, match="begun for 3 epochs, not 4"):
        train_float(net, data, tmp_path / "part.pt", epochs=4)
    with pytest.raises(InputError, match="not a checkpoint of this network"):
        read_float(NETS["resnet8"], tmp_path / "part.pt")
    model, images = read_float(net, tmp_path / "whole.pt"), calibration_images(data, 0, 64)
    rivals = onnxruntime_accuracy(model, images, data.test)
    full = accuracy(model, data.test, raw=False)
    assert set(rivals) == set(RIVALS) and full > 0.9
    four = {way: quantized(model, images, data.test, way) for way in list(WAYS)[:1]}
    assert four["W4 A4 minmax, a tensor"]["accuracy"] >= full - 0.05
    way = {"4": {"weight_type": "QInt4"}, "44": RIVALS_4["W4 A4 onnxruntime, a channel"]}
    found = quantized_accuracies(model, images, data.test, way)
    assert found["4"] >= full - 0.1 and str(found["44"]).startswith("refused: ")
    assert max(rivals.values()) >= full - 0.02 and ours(model, images, data.test) >= full - 0.02


def test_the_table_names_the_best_rival_and_the_gap():
    rows = [
        {
            "network": "n",
            "seed": seed,
            "float": 0.9,
            "onnxruntime": {"a": 0.88, "b": 0.89},
            "int8": value,
            "int16": 0.9,
        }
        for seed, value in enumerate((0.885, 0.887))
    ]
    (line,) = table(rows)
    assert (
        line["best"] == "b"
        and line["gap"] == pytest.approx(-0.4)
        and line["worst_gap"] == pytest.approx(-0.5)
        and line["low"] == 88.5
    )


def test_bad_options_are_refused():
    for options, message in (
        ({}, "needs data"),
        ({"data": ".", "only": "vgg"}, "no network is called 'vgg'"),
        ({"data": ".", "seeds": 0}, "seeds must be 1 or more"),
        ({"data": "/nowhere", "quick": True}, "no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            run(**options)
        if "seeds" not in options:
            with pytest.raises(InputError, match=message):
                run_int4(**options)
