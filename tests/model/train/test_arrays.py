"""`arrays:FILE.npz`: classes, values and maps, signed and wide samples; what does not fit is refused."""

import numpy as np
import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.network import run
from fermatnet.model.train import data, finished
from fermatnet.model.train.run import train
from fermatnet.model.train.targets import Targets

RNG = np.random.default_rng(0)


def held(**changes):
    """An easy problem: the sum of twelve samples of a 12-bit sensor."""
    x = RNG.integers(0, 4096, (160, 12)).astype(np.int16)
    y = (x.astype(np.float64).sum(1) * 0.5 + 3).astype(np.float32)
    return {"x_train": x[:120], "y_train": y[:120], "x_test": x[120:], "y_test": y[120:], **changes}


def write(folder, **changes):
    file = folder / "data.npz"
    np.savez(file, **{key: value for key, value in held(**changes).items() if value is not None})
    return f"arrays:{file}"


def test_kinds(tmp_path):
    dataset = data.load(write(tmp_path))
    assert dataset.shape == (12, 1, 1) and dataset.bits == 12 and dataset.value_range == (0, 4095)
    assert dataset.targets.metric == "r2" and dataset.targets.outputs == 1
    signed = RNG.integers(-100, 100, (10, 2, 30)).astype(np.int16)
    classes = np.arange(10) % 3
    dataset = data.load(write(tmp_path, x_train=signed, x_test=signed, y_train=classes, y_test=classes))
    assert (
        dataset.shape == (2, 1, 30)
        and dataset.value_range == (-128, 127)
        and dataset.classes == ("0", "1", "2")
    )
    assert dataset.train.images.dtype == np.int8 and dataset.targets.metric == "accuracy"
    maps = RNG.integers(0, 4, (10, 5, 6))
    images = RNG.integers(0, 256, (10, 3, 5, 6)).astype(np.uint8)
    dataset = data.load(write(tmp_path, x_train=images, x_test=images, y_train=maps, y_test=maps))
    assert dataset.targets.shape == (5, 6) and dataset.targets.outputs == 4 * 30
    first, second = dataset.train.split(0.3, 0)
    assert len(first) == 7 and len(second) == 3


BAD = {
    "missing": ({"y_test": None}, "has no y_test"),
    "more": ({"weights": np.ones(3)}, "nobody reads weights"),
    "real samples": ({"x_train": np.ones((120, 12))}, "must hold raw integers"),
    "lengths": ({"y_train": np.zeros(7)}, "120 samples in x_train, but 7"),
    "nan": ({"y_train": np.full(120, np.nan)}, "not finite"),
    "shapes": ({"x_test": np.zeros((40, 11), np.int16)}, "different shapes"),
    "kinds": ({"y_test": np.zeros(40, int)}, "different shapes or kinds"),
    "wide": ({"x_train": np.full((120, 12), 40000, np.uint16)}, "need 16 bits"),
    "range": ({"x_range": np.array([0, 100])}, "two integers around"),
    "names": ({"classes": np.array([1.0])}, "1 or more strings"),
    "objects": ({"y_test": np.array([None] * 40)}, "not a .npz file of plain arrays"),
    "negative classes": ({"y_train": np.full(120, -1), "y_test": np.zeros(40, int)}, "from 0 on"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name, tmp_path):
    changes, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        data.load(write(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    for what, words in (
        (f"arrays:{tmp_path / 'bad.npz'}", "plain arrays"),
        ("arrays:none.npz", "no such file"),
    ):
        with pytest.raises(InputError, match=words):
            data.load(what)


def test_scores():
    labels = np.array([[0.0, 10.0], [2.0, 30.0], [4.0, 20.0]], np.float32)
    targets = Targets.of(labels, 2)
    mean, std = labels.mean(0), labels.std(0)
    exact = torch.from_numpy((labels - mean) / std)
    wanted = torch.from_numpy(labels)
    assert targets.score(exact, wanted) == pytest.approx(1) and targets.error(exact, wanted) == pytest.approx(
        0, abs=1e-5
    )
    assert targets.score(0 * exact, wanted) == pytest.approx(0)
    assert targets.error(0 * exact, wanted) == pytest.approx(np.sqrt((std**2).mean()), rel=1e-5)
    assert float(targets.loss(0 * exact, wanted, 0.0)) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["values", "classes"])
def test_a_network_learns_and_is_exported(kind, tmp_path):
    torch.set_num_threads(1)
    changes = {}
    if kind == "classes":
        x = RNG.integers(-2048, 2048, (160, 1, 8, 8)).astype(np.int16)
        y = (x.mean((1, 2, 3)) > 0).astype(np.int64)
        changes = {"x_train": x[:120], "y_train": y[:120], "x_test": x[120:], "y_test": y[120:]}
        net, scheme = "digits", "int8"
    else:
        net, scheme = "tfc", "int8"
    where = write(tmp_path, **changes)
    options = {"epochs": 4, "float_epochs": 4, "batch": 8, "scheme": scheme, "validation": 0.1}
    summary = train(net, where, tmp_path / "run", progress=False, **options)
    assert summary["metric"] == ("r2" if kind == "values" else "accuracy")
    assert summary["test_accuracy"] > 0.5
    assert ("rmse" in summary) == (kind == "values")
    exported = finished.export_run(tmp_path / "run")
    low, high = exported.input_range
    assert (low, high) == ((0, 4095) if kind == "values" else (-2048, 2047))
    images = data.load(where).test.images.astype(exported.input_dtype)
    model, _ = finished.load_run(tmp_path / "run")
    with torch.no_grad():
        want = model(torch.from_numpy(images.astype(np.int32))).double().numpy()
    np.testing.assert_array_equal(run(exported, images) * float(exported.meta["output_scale"]), want)
    assert ("targets" in exported.meta) == (kind == "values")
