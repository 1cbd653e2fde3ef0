"""Readers of VOC and COCO, what they refuse, and the augmentation."""

import json
import re

import numpy as np
import pytest

from fermatnet.model.detect.data.augment import Augmentation, load
from fermatnet.model.detect.data.batches import BoxBatches, packed
from fermatnet.model.detect.data.coco import read_coco
from fermatnet.model.detect.data.pictures import open_picture, view
from fermatnet.model.detect.data.source import open_boxes
from fermatnet.model.detect.data.voc import read_voc
from fermatnet.model.errors import InputError
from fermatnet.model.train.parts import Cut

from .sets import CLASSES, make_coco, make_voc, xml


def test_both_layouts_hold_the_same(tmp_path):
    voc = read_voc([make_voc(tmp_path / "v")], "trainval", CLASSES)
    coco = read_coco(make_coco(tmp_path / "c"), "train2017")
    assert voc.classes == coco.classes == CLASSES and voc.objects == coco.objects == 5
    for a, b in zip(voc.items, coco.items, strict=True):
        assert a.size == b.size and (a.boxes == b.boxes).all() and (a.labels == b.labels).all()
        pixels = np.asarray(open_picture(a.path))
        for (x1, y1, x2, y2), label in zip(a.boxes.astype(int), a.labels, strict=True):
            assert (pixels[y1:y2, x1:x2].argmax(2) == label - 1).mean() > 0.5  # red and green rectangles
    assert len(voc.items[2].labels) == 0  # an image without an object


def rewritten(path, pattern, by):
    text = path.read_text()
    assert re.search(pattern, text)
    path.write_text(re.sub(pattern, by, text, count=1))


@pytest.mark.parametrize(
    "pattern, by, words",
    [
        (r"<xmax>\d+", "<xmax>97", r"im0.xml: box .* reaches outside the image of 96x64"),
        (r"<xmin>\d+", "<xmin>-3", r"im0.xml: box .* reaches outside"),
        (r"<ymin>(\d+)(.*?)<ymax>\d+", r"<ymin>\1\2<ymax>\1", r"im0.xml: box .* has no area"),
        (r"<name>\w+", "<name>cat", r"im0.xml: label 'cat' is none of the classes wide, high"),
        (r"<xmin>\d+", "<xmin>one", r"im0.xml: bndbox/xmin must be a number, not 'one'"),
        (r"<xmin>\d+", "<xmin>nan", r"im0.xml: box .* is not of numbers"),
        (r"<width>\d+", "<width>100", r"im0.xml is of an image of 100x64"),
        (r"</annotation>", "", r"im0.xml is not an XML file"),
    ],
)
def test_voc_refuses_in_a_line_that_names_the_file(tmp_path, pattern, by, words):
    root = make_voc(tmp_path / "v")
    rewritten(root / "Annotations" / "im0.xml", pattern, by)
    with pytest.raises(InputError, match=words) as error:
        read_voc([root], "trainval", CLASSES)
    assert "\n" not in str(error.value)


def test_voc_files_that_are_not_there(tmp_path):
    root = make_voc(tmp_path / "v")
    with pytest.raises(InputError, match=r"no split 'val'.*'test', 'trainval'"):
        read_voc([root], "val", CLASSES)
    (root / "JPEGImages" / "im1.png").unlink()
    with pytest.raises(InputError, match=r"im1.xml: its image .*im1.jpg is not there"):
        read_voc([root], "trainval", CLASSES)
    (root / "JPEGImages" / "im1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"im1.png cannot be read as an image: no format that Pillow knows"):
        read_voc([root], "trainval", CLASSES)
    with pytest.raises(InputError, match=r"im1.png cannot be read as an image: no format that Pillow knows"):
        open_picture(root / "JPEGImages" / "im1.png")
    (root / "Annotations" / "im0.xml").unlink()
    with pytest.raises(InputError, match=r"im0.xml is not there"):
        read_voc([root], "trainval", CLASSES)


def test_boxes_can_be_left_out_and_are_counted(tmp_path):
    root = make_voc(tmp_path / "v")
    rewritten(root / "Annotations" / "im0.xml", r"<xmax>\d+", "<xmax>97")
    part = read_voc([root], "trainval", CLASSES, boxes="skip")
    assert part.objects == 4 and len(part.lost.words) == 1 and "im0.xml" in part.lost.words[0]


def test_difficult_objects_and_crowds(tmp_path):
    root = make_voc(tmp_path / "v", (1,))
    (root / "Annotations" / "im0.xml").write_text(xml("im0", 96, 64, [(0, 5, 5, 20, 20)], difficult=1))
    assert read_voc([root], "test", CLASSES).objects == 0
    coco = make_coco(tmp_path / "c", (1,))
    rewritten(coco / "annotations" / "instances_val2017.json", '"iscrowd": 0', '"iscrowd": 1')
    assert read_coco(coco, "val2017").items[0].difficult.tolist() == [True]


@pytest.mark.parametrize(
    "where, value, words",
    [
        (
            ("annotations", 0, "category_id"),
            8,
            "annotation 1 has category id 8, which the file does not list",
        ),
        (("annotations", 0, "image_id"), 99, "annotation 1 is of image 99, which the file does not list"),
        (("annotations", 0, "bbox"), [90, 5, 20, 5], "annotation 1 of im0.png: box .* reaches outside"),
        (("annotations", 0, "bbox"), [5, 5, 0, 5], "annotation 1 of im0.png: box .* has no area"),
        (("annotations", 0, "bbox"), [5, 5, 5], "bbox must hold 4 values"),
        (("images", 0, "file_name"), "other.png", "image 1, .*other.png, is not there"),
        (("images", 0, "width"), 95, "image 1 is 95x64"),
        (("categories", 0, "id"), 7, "category id 7 stands there twice"),
        (("categories", 0, "name"), "wide", "category name 'wide' stands there twice"),
        (("images", 0, "id"), "one", "must be int"),
        (("images", 0, "id"), 2, "image id 2 stands there twice"),
        (("annotations", 0, "id"), 2, "annotation id 2 stands there twice"),
    ],
)
def test_coco_refuses_in_a_line_that_names_the_file(tmp_path, where, value, words):
    root = make_coco(tmp_path / "c")
    path = root / "annotations" / "instances_train2017.json"
    document = json.loads(path.read_text())
    document[where[0]][where[1]][where[2]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=words) as error:
        read_coco(root, "train2017")
    assert "instances_train2017.json" in str(error.value) and "\n" not in str(error.value)


def test_names_of_sets(tmp_path):
    root = make_voc(tmp_path / "v")
    both = open_boxes(f"voc:{root},{root}", CLASSES)
    assert len(both.part("trainval")) == 6
    for name, words in (
        ("images:x", "boxes come from"),
        ("voc:", "boxes come from"),
        (f"voc:{tmp_path}/no", "no such folder"),
        (f"coco:{root},{root}", "takes one folder"),
    ):
        with pytest.raises(InputError, match=words):
            open_boxes(name)


def test_a_region_of_a_picture(tmp_path):
    root = make_voc(tmp_path / "v")
    item = read_voc([root], "trainval", CLASSES).items[0]
    picture = open_picture(item.path)
    assert (view(picture, (10, 4, 74, 36), (32, 64)) == np.asarray(picture)[4:36, 10:74]).all()
    larger = view(picture, (-96, -64, 96, 64), (128, 192))
    assert (larger[64:, 96:] == np.asarray(picture)).all() and (larger[:64] == (123, 117, 104)).all()


def test_augmented_boxes_lie_on_their_objects(tmp_path):
    root = make_voc(tmp_path / "v", (4, 3, 5))
    part = read_voc([root], "trainval", CLASSES)
    how = Augmentation(expand=2.0, upside=True, colour=0.0)
    seen = right = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        sample = load(part.items[seed % 3], (96, 144), how, rng)
        assert sample.boxes.min(initial=0) >= 0 and sample.boxes.max(initial=1) <= 1
        for box, label in zip(sample.boxes, sample.labels, strict=True):
            x1, y1, x2, y2 = (box * (144, 96, 144, 96)).round().astype(int)
            inside = sample.pixels[:, y1 + 1 : max(y1 + 2, y2 - 1), x1 + 1 : max(x1 + 2, x2 - 1)]
            right += int(inside.reshape(3, -1).mean(1).argmax() == label - 1)
            seen += 1
    assert right == seen > 40
    plain = load(part.items[0], (96, 144))
    coloured = load(part.items[0], (96, 144), Augmentation(1, 1, False), np.random.default_rng(1))
    assert plain.boxes.tolist() == coloured.boxes.tolist() and (plain.pixels != coloured.pixels).any()


def test_batches_go_on_in_the_middle_and_are_shared_out(tmp_path):
    part = read_voc([make_voc(tmp_path / "v", (3, 2, 0, 1))], "trainval", CLASSES)
    made = [list(BoxBatches(part, (64, 96), 2, 5, Augmentation(), cut=Cut(r, 2)).epoch(3)) for r in (0, 1)]
    whole = list(BoxBatches(part, (64, 96), 2, 5, Augmentation()).epoch(3))
    assert len(whole) == 2
    for at in range(2):
        for rank in (0, 1):
            assert (whole[at][0][rank] == made[rank][at][0][0]).all()
    later = list(BoxBatches(part, (64, 96), 2, 5, Augmentation()).epoch(3, 1))
    assert len(later) == 1 and (later[0][0] == whole[1][0]).all() and (later[0][1] == whole[1][1]).all()
    _, objects = packed([load(item, (64, 96)) for item in part.items])
    assert (objects[:, :, 4] > 0).sum(1).tolist() == [3, 2, 0, 1]
