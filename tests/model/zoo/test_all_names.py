"""Every name of the zoo trains two steps and is evaluated, at a small width, with what it is usually trained
with."""

import numpy as np
import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.train.finished import export_run, load_run
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.run import train
from fermatnet.model.zoo.catalogue import NAMES

_MOBILE = {"width": 0.1}
_AA = {"depth": 10, "widen": 1, "heads": 2, "minimum": 4}
_DENSE = {"blocks": [1, 1, 1, 1], "growth": 4}
_REAF = {"outer": 16, "stem_width": 8}
# name to train in the place of the example (a small width), and options of its builder
SMALL = {
    "a-densenet51-48": ("a-densenet51-4", {"blocks": [1, 1, 1, 1], "initial": 8}),
    "a-resnet21-50": ("a-resnet21-4", {}),
    "aa-wideresnet28-10": ("aa-wideresnet10-1", {"heads": 2, "minimum": 4}),
    "aw-aa-wideresnet-0": ("aw-aa-wideresnet-0", _AA),
    "binary-resnet18": ("binary-resnet10-4", {}),
    "binarydensenet51-32": ("binarydensenet51-4", {"layers": [1, 1, 1, 1], "initial": 8}),
    "bireal-resnet18": ("bireal-resnet10-4", {}),
    "boolnet": ("boolnet", {"width": 4}),
    "pokebnn": ("pokebnn", {"width": 4, "blocks": 1}),
    "cnv": ("cnv", {"width": 4}),
    "densenet121": ("densenet121", _DENSE),
    "enhanced-binarydensenet51-32": (
        "enhanced-binarydensenet51-4",
        {"layers": [1, 1, 1, 1], "initial": 8},
    ),
    "enhanced-bireal-resnet18": ("enhanced-bireal-resnet10-4", {}),
    "mobilenetv1": ("mobilenetv1", _MOBILE),
    "nasb-resnet18": ("nasb-resnet10-4", {}),
    "pa-densenet121": ("pa-densenet121", _DENSE),
    "pa-mobilenetv1": ("pa-mobilenetv1", _MOBILE),
    "pa-resnet18": ("pa-resnet18", {"width": 4}),
    "plain-resnet50": ("plain-resnet26-4", {"stem_width": 4}),
    "reaf-resnet50": ("reaf-resnet26-4-3-4-8", _REAF),
    "reafplus-mobilenetv2": ("reafplus-mobilenetv2", _MOBILE),
    "reafplus-resnext50": ("reafplus-resnext26", {"groups": 4, "inner": 8, **_REAF}),
    "resnet18": ("resnet18", {"width": 4}),
    "resnext50": ("resnext26", {"groups": 4, "inner": 8, **_REAF}),
    "resnet8": ("resnet8", {"width": 4}),
    "small-resnet": ("small-resnet", {"width": 4}),
    "ua-densenet51-53": ("ua-densenet51-4", {"blocks": [1, 1, 1, 1], "initial": 8}),
    "ua-resnet37-41": ("ua-resnet21-4", {}),
    "mobilenetv2": ("mobilenetv2", _MOBILE),
    **{name: (name, _MOBILE) for name in NAMES if name.endswith("-mobilenet")},
    **{
        name: (name.replace("50", "10-4"), {"stem_width": 4})
        for name in NAMES
        if name.endswith("-resnet50") and name.startswith(("aw", "se", "cbam"))
    },
}
TWO_STEPS = {"epochs": 1, "float_epochs": 1, "batch": 4, "threads": 1, "progress": False, "validation": 0.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for side, count in (("train", 4), ("test", 2)):
        for name in ("a", "b"):
            (root / side / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                (root / side / name / f"{number}.ppm").write_bytes(b"P6 32 32 255\n" + pixels.tobytes())
    return f"images:{root}"


@pytest.fixture(autouse=True)
def no_curves(monkeypatch):
    monkeypatch.setattr(RunFolder, "draw_curves", lambda self: None)


@pytest.mark.parametrize("name", [name for name, item in NAMES.items() if item.form != "detector"])
def test_it_trains_two_steps_and_is_evaluated(name, data, tmp_path):
    net, network = SMALL.get(name, (name, {}))
    summary = train(net, data, tmp_path / "run", network=network, **TWO_STEPS)
    wanted = {"float"} if NAMES[name].form == "real" else {"float", "quantized"}
    assert set(summary["accuracy"]) == wanted
    model, config = load_run(tmp_path / "run")
    assert config["network"] == network
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape == (2, 2)


@pytest.mark.parametrize("net", ["ua-resnet21-4", "nasb-resnet10-4", "reaf-resnet26-4-3-4-8"])
def test_the_thesis_form_beside_the_hardware_form(net, data, tmp_path):
    network = _REAF if net.startswith("reaf") else {}
    train(net, data, tmp_path / "own", scheme="thesis", network=network, **TWO_STEPS)
    with pytest.raises(InputError, match=r"full-precision run|real-valued"):
        export_run(tmp_path / "own")


def test_what_cannot_be_trained_so_is_refused_before_anything_is_made(data, tmp_path):
    for net, how, words in (
        ("aw-resnet10-4", "pa", "trained in full precision"),
        ("bireal-resnet10-4", "pa", "one-bit layers of its own"),
        ("small-resnet", "thesis", "no form of its own"),
    ):
        with pytest.raises(InputError, match=words):
            train(net, data, tmp_path / "run", scheme=how, **TWO_STEPS)
    assert not (tmp_path / "run").exists()
