"""The page of a detector: what it says is in it, escaped; a difference is not hidden; engines that differ are
counted."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fermatnet.model.detect.host.plan import plan_of
from fermatnet.model.detect.training.build import plain_detector, quantized
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import load, save
from fermatnet.model.network.file.store import sha256
from fermatnet.model.nn.scheme import scheme
from fermatnet.report import agreement
from fermatnet.report.detections import picture_data, render

OBJECTS = [
    {"class": "red <b>", "score": 0.9, "box": [1, 2, 3, 4]},
    {"class": "white", "score": 0.5, "box": [1, 2, 3, 4]},
]
RESOURCES = {"luts": 12345, "ffs": 678, "brams": 90, "dsps": 12}
DESIGN = {"device": "ecp5-85k", "clock_mhz": 100.0, "cycles_per_image": 1000000, "images_per_second": 100.0}


def page(**more):
    image = {"name": "a&b.png", "picture": picture_data(Image.new("RGB", (1280, 960))), "objects": OBJECTS}
    report = {"name": "net", "source": "the exported network", "facts": [("image", "3x8x8")], "score": 0.4}
    rest = {"test": {"map": 0.8115, "images": 72}, "exact": [], "design": None, "images": [image]}
    return render(report | rest | more)


def test_everything_is_escaped_and_there():
    text = page(design=DESIGN | {"resources": RESOURCES})
    for words in (
        "a&amp;b.png: 2 objects",
        "scores 0.50 to 0.90",
        "red &lt;b&gt;",
        "0.811",
        "72 test images",
    ):
        assert words in text
    for words in ("12,345", "678 flip-flops", "90 block RAMs", "12 multipliers", "100", "1,000,000"):
        assert words in text
    assert '<b>"' not in text and "Who computes" not in text


def test_a_difference_is_not_hidden():
    rows = [{"engine": "one", "images": 3, "equal": 3}, {"engine": "two", "images": 3, "equal": 2}]
    assert "<b>DIFFERENT</b>" in page(exact=rows) and "<b>equal</b>" in page(exact=rows[:1])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A detector of chance with 32x32 pixels, calibrated and not trained."""
    import torch

    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    detector = plain_detector("ssdlite-small", (3, 32, 32), 2, {"width": 2})
    model = quantized(detector, scheme("pa", weights=2, activations=2))
    model.train()(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))
    net = export(model.eval().network, (3, 32, 32), (0, 255), name="chance", check=False)
    save(net, folder / "network.onnx")
    plan_of(detector, net, ["a", "b"]).write(folder / "detect.json")
    return folder


@pytest.mark.skipif(shutil.which("cc") is None or shutil.which("make") is None, reason="needs cc and make")
def test_engines_are_counted_image_by_image(exported, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    rows = agreement.agreement(exported, images)
    assert [(row["images"], row["equal"]) for row in rows] == [(3, 3), (3, 3)]
    real = agreement.run

    def wrong(net, pixels):  # one integer of one map of the second image
        found = real(net, pixels)
        next(iter(found.values()))[1, 5] += 1
        return found

    monkeypatch.setattr(agreement, "run", wrong)
    assert agreement.agreement(exported, images)[0]["equal"] == 2
    monkeypatch.setattr(agreement, "run", real)
    monkeypatch.setattr(agreement, "boxes_of", lambda maps, plan: np.zeros((1, 6), np.int64))
    assert agreement.agreement(exported, images)[1]["equal"] == 0


def test_the_design_of_another_network_is_refused(exported, monkeypatch):
    net = load(exported / "network.onnx")
    described = {"network_sha256": sha256(net), "device": "ecp5-85k", "clock_mhz": 50.0}
    described |= {"cycles_per_image": 1000, "resources": {"total": RESOURCES}}
    monkeypatch.setattr(agreement, "read_interface", lambda folder, kind: described)
    facts = agreement.design_facts("design", net)
    assert facts["images_per_second"] == 50e6 / 1000 and facts["resources"] == RESOURCES
    del described["resources"]
    assert agreement.design_facts("design", net)["resources"] is None
    described["network_sha256"] = "0" * 64
    with pytest.raises(InputError, match="design is the design of another network"):
        agreement.design_facts("design", net)
