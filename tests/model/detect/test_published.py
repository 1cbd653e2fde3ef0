"""The detector that is published with the results: its file loads, finds the cells of a picture of its test
set, and onnxruntime and the generated C agree with what the reference finds there."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from fermatnet.model.detect.host.decode import boxes_of
from fermatnet.model.detect.host.plan import read_plan
from fermatnet.model.detect.inference import pixels_of
from fermatnet.model.detect.training.finished import outputs_of
from fermatnet.model.network import load
from fermatnet.report import agreement

PLACE = Path(__file__).parents[3] / "docs" / "results" / "detector"
SIZE, LARGE = (144, 192), (640, 480)
# BloodImage_00041 of BCCD (Shenggan, MIT licence), boxes in pixels of its 640x480
CELLS = (
    ("WBC", 261, 219, 424, 381),
    ("RBC", 228, 13, 374, 121),
    ("RBC", 321, 117, 437, 236),
    ("RBC", 478, 83, 594, 202),
    ("RBC", 435, 147, 551, 266),
    ("RBC", 414, 220, 530, 339),
    ("RBC", 480, 250, 579, 352),
    ("RBC", 478, 304, 577, 406),
    ("RBC", 455, 353, 554, 455),
    ("RBC", 531, 310, 630, 412),
    ("RBC", 1, 12, 80, 128),
    ("RBC", 76, 1, 198, 109),
    ("RBC", 427, 1, 562, 114),
    ("Platelets", 396, 2, 440, 60),
    ("Platelets", 210, 419, 252, 453),
    ("RBC", 196, 111, 294, 220),
    ("RBC", 25, 151, 123, 260),
    ("RBC", 43, 410, 132, 480),
    ("RBC", 124, 410, 213, 480),
    ("RBC", 1, 373, 98, 460),
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    (folder / "network.onnx").write_bytes(gzip.decompress((PLACE / "network.onnx.gz").read_bytes()))
    shutil.copyfile(PLACE / "detect.json", folder / "detect.json")
    return folder


def found_cells(boxes, labels):
    """How many of the picture's cells overlap a box of their class by half or more, each by a box of its
    own."""
    free, count = list(boxes), 0
    for name, *corners in CELLS:
        x1, y1, x2, y2 = (side / whole for side, whole in zip(corners, LARGE * 2, strict=True))
        for one in free:
            _, a1, b1, a2, b2 = one[0], *(one[2:] / 65536)
            shared = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
            union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared
            if labels[one[0] - 1] == name and shared >= union / 2:
                free = [other for other in free if other is not one]
                count += 1
                break
    return count


def test_it_is_small_and_what_its_page_says(published):
    sizes = [(PLACE / name).stat().st_size for name in ("network.onnx.gz", "detect.json", "blood.png")]
    assert sizes[0] <= 300_000 and sum(sizes) < 400_000
    net, plan = load(published / "network.onnx"), read_plan(published / "detect.json")
    assert plan.labels == ("RBC", "WBC", "Platelets") and plan.image == (3, *SIZE)
    assert len(plan.priors) == 2280 and len(net.outputs) == 6
    assert net.meta["scheme"] == "pa(4,5)" and round(float(net.meta["test_map"]), 3) == 0.811


def test_it_finds_the_cells_of_a_picture(published):
    net, plan = load(published / "network.onnx"), read_plan(published / "detect.json")
    pixels = pixels_of(PLACE / "blood.png", SIZE)
    rows = boxes_of(outputs_of(net, pixels[None])[0], plan)
    shown = rows[rows[:, 1] >= 0.4 * 32768]
    assert len(shown) == 20 and found_cells(shown, plan.labels) == 16
    upside_down = boxes_of(outputs_of(net, np.ascontiguousarray(pixels[:, ::-1])[None])[0], plan)
    turned = upside_down[upside_down[:, 1] >= 0.4 * 32768]
    assert found_cells(turned, plan.labels) < 8  # of another picture: the check can fail


@pytest.mark.skipif(shutil.which("cc") is None or shutil.which("make") is None, reason="needs cc and make")
def test_others_compute_the_same(published):
    pixels = pixels_of(PLACE / "blood.png", SIZE)
    rows = agreement.agreement(published, pixels[None])
    assert [(row["images"], row["equal"]) for row in rows] == [(1, 1)] * 2
