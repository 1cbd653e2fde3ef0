"""Runs: made-up sets train two steps with every detector, go on where they stopped, and a toy set is learned
by heart."""

import os
import random
import sys
from datetime import date

import numpy as np
import pytest
import torch

from fermatnet.model.detect.networks.detector import Detector
from fermatnet.model.detect.training.finished import evaluate_run, export_run, load_run, outputs_of
from fermatnet.model.detect.training.run import train
from fermatnet.model.detect.training.settings import RECIPES, SETTING_SHAPES, settings
from fermatnet.model.errors import InputError
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.options import SHAPES
from fermatnet.model.train.recipe import read_recipe, recipes
from fermatnet.model.zoo import build, names
from fermatnet.model.zoo.catalogue import NAMES

from .sets import CLASSES, make_coco, make_voc

DETECTORS = [name for name, item in NAMES.items() if item.form == "detector" and "rcnn" not in name]
SMALL = {
    "vgg16": ({"width": 2}, 264),
    "resnet50": ({"width": 4}, 64),
    "mobilenet": ({"width": 0.1}, 66),
    "small": ({"width": 4}, 64),
}
QUICK = {"batch": 2, "float_epochs": 2, "epochs": 1, "threads": 1, "progress": False, "float_lr": 1e-3}


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    monkeypatch.setattr(RunFolder, "draw_curves", lambda self: None)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    voc, coco = make_voc(root / "v", (3, 2)), make_coco(root / "c", (3, 0))
    return {"voc": f"voc:{voc}", "coco": f"coco:{coco}"}


def small(name):
    network, side = SMALL[name.rpartition("-")[2]]
    return {"network": network, "height": side, "width": side}


def train_small(name, data, out, **more):
    how = small(name) | QUICK | more
    classes = {"classes": ",".join(CLASSES)} if data.startswith("voc") else {}
    return train(name, data, out, **classes, **how)


# all of them with FERMATNET_LONG=1, else a few that change from day to day; the day is in the test's name
DAY = date.today().toordinal()
DRAWN = DETECTORS if os.environ.get("FERMATNET_LONG") else random.Random(DAY).sample(DETECTORS, 5)


@pytest.mark.parametrize("name", DRAWN, ids=[f"{name}-{DAY}" for name in DRAWN])
def test_every_detector_trains_two_steps(name, sets, tmp_path):
    data = sets[("voc", "coco")[(DETECTORS.index(name) + DAY) % 2]]
    summary = train_small(name, data, tmp_path / "run")
    assert summary["test_images"] == 2 and set(summary["scores"]) == {"float"}
    model, detector, config = load_run(tmp_path / "run")
    assert isinstance(detector, Detector) and config["priors"] == len(detector.priors)
    with torch.no_grad():
        assert model(torch.zeros(1, *detector.image, dtype=torch.uint8)).shape == (1, len(detector.priors), 7)


def test_the_names_are_all_registered():
    assert len(DETECTORS) == 15 and set(DETECTORS) <= set(names())
    with pytest.raises(InputError, match="too small"):
        build("ssd300-vgg16", classes=3, shape=(3, 64, 64), width=4)


def test_a_run_goes_on_as_if_it_had_never_stopped(sets, tmp_path, monkeypatch):
    name = "ssdlite-small"
    train_small(name, sets["voc"], tmp_path / "whole", float_epochs=3)
    from fermatnet.model.train.loop import Phase

    real, calls = Phase.run_epoch, []

    def stopped(self, *args, **more):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *args, **more)

    monkeypatch.setattr(Phase, "run_epoch", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_small(name, sets["voc"], tmp_path / "cut", float_epochs=3)
    monkeypatch.setattr(Phase, "run_epoch", real)
    train_small(name, sets["voc"], tmp_path / "cut", float_epochs=3, resume=True)
    a, b = (RunFolder(tmp_path / run).load("float.pt")["model"] for run in ("whole", "cut"))
    assert all(torch.equal(a[key], b[key]) for key in a)
    with pytest.raises(InputError, match=r"other options \(expand\)"):
        train_small(name, sets["voc"], tmp_path / "cut", float_epochs=3, resume=True, expand=2.0)


def test_tensorboard_shows_detections(sets, tmp_path, monkeypatch):
    from io import BytesIO

    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_small("ssdlite-small", sets["voc"], tmp_path / "run", tensorboard=True, every=2, float_epochs=3)
    log = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    shown = log.Images("float/detections")  # two test images of 96x64 side by side, each 320 pixels wide
    assert [one.step for one in shown] == [2, 3]
    assert len(log.Scalars("float/loss")) == 3
    sizes = {Image.open(BytesIO(one.encoded_image_string)).size for one in shown}
    assert sizes == {(640, 213)}
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="needs tensorboard: pip install tensorboard"):
        train_small("ssdlite-small", sets["voc"], tmp_path / "none", tensorboard=True)
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_is_refused_before_training(sets, tmp_path):
    for name, more, words in (
        ("aw-ssdlite300-mobilenet", {"scheme": "pa"}, "."),
        ("ssdlite-small", {"height": 8}, "height and width must be 32"),
        ("ssdlite-small", {"boxes": "keep"}, "refuse or skip"),
        ("ssdlite-small", {"lr": -1.0}, "lr must be above 0"),
        ("small-resnet", {}, "is no detector: train it with fermatnet train"),
        ("ssdlite-smal", {}, "did you mean ssdlite-small"),
    ):
        with pytest.raises(InputError, match=words):
            train(name, sets["voc"], tmp_path / "run", **{"classes": "wide,high", **QUICK, **more})
        assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"label .* is none of the classes"):
        train("ssdlite-small", sets["voc"], tmp_path / "run", **QUICK)


@pytest.fixture(scope="module")
def by_heart(sets, tmp_path_factory):
    """Two images, ten times an epoch, learned by heart."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    how = {"height": 64, "width": 96, "network": {"width": 8}, "classes": "wide,high"}
    still = {"expand": 1.0, "least": 1.0, "flip": False, "colour": 0.0}
    quick = {"batch": 2, "float_epochs": 14, "epochs": 4, "threads": 1, "progress": False}
    ten = "voc:" + ",".join([sets["voc"].removeprefix("voc:")] * 10)
    rates = {"float_lr": 5e-3, "lr": 3e-3, "scheme": "pa"}
    return out, train("ssdlite-small", ten, out, **how, **still, **quick, **rates)


def test_a_toy_set_is_learned_by_heart(by_heart):
    out, summary = by_heart
    assert summary["scores"]["float"]["map"] == 1.0 == summary["scores"]["quantized"]["map"]
    found = evaluate_run(out, phase="float")
    assert found["map"] == 1.0 and found["coco"]["ap50"] == 1.0
    assert found["images_per_second"] > 0 < found["with_boxes_per_second"]


def test_the_export_is_the_network_and_its_boxes_are_the_same(by_heart):
    from fermatnet.model.detect.host.decode import boxes_of

    model, detector, _ = load_run(by_heart[0])
    net, plan = export_run(by_heart[0])
    assert len(net.outputs) == 6 and "equal" in net.meta["compared"]
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 96), dtype=np.uint8)
    with torch.no_grad():
        maps = model.network(torch.from_numpy(images))
    for number, found in enumerate(outputs_of(net, images)):
        for one, place in zip(plan.maps, range(3), strict=True):
            for name, key, bits in (
                (one.classes, "classes", one.score_bits),
                (one.boxes, "boxes", one.box_bits),
            ):
                wanted = maps[f"{key}{place}"][number].double().numpy().ravel() * 2.0**bits
                assert (found[name] == wanted).all()
        assert boxes_of(found, plan).shape[1] == 6
    assert len(detector.priors) == len(plan.priors)


def test_recipes_are_complete_and_of_this_package():
    found = recipes(RECIPES)
    assert found == ["bccd", "chapter3-voc", "chapter7-voc", "chapter7-voc-ssdlite"]
    for name in found:
        recipe = read_recipe(name, RECIPES, SHAPES | SETTING_SHAPES)
        assert recipe.data in ("voc", "coco") and set(recipe.networks) <= set(DETECTORS)
        settings(recipe.options)
    with pytest.raises(InputError, match="no recipe is called 'chapter6'"):
        read_recipe("chapter6", RECIPES, SHAPES | SETTING_SHAPES)
