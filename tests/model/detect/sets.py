"""Small made-up sets of images with boxes: bright rectangles on noise, in VOC's and in COCO's layout."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("wide", "high")


def objects(rng, width, height, count):
    """[(label, x1, y1, x2, y2)] in pixels from 0, ends outside; none covers another."""
    made = []
    while len(made) < count:
        label = int(rng.integers(2))
        w, h = ((24, 12), (12, 24))[label]
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        if all(x >= c or y >= d or a >= x + w or b >= y + h for _, a, b, c, d in made):
            made.append((label, x, y, x + w, y + h))
    return made


def picture(rng, width, height, found):
    pixels = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    for label, x1, y1, x2, y2 in found:
        pixels[y1:y2, x1:x2] = ((250, 80, 80), (80, 250, 80))[label]
    return Image.fromarray(pixels)


def xml(name, width, height, found, difficult=0):
    parts = [
        f"<object><name>{CLASSES[label]}</name><difficult>{difficult}</difficult><bndbox>"
        f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for label, x1, y1, x2, y2 in found
    ]
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}.png</filename>{size}{''.join(parts)}</annotation>"


def make_voc(root: Path, counts=(3, 2, 0), width=96, height=64, seed=0, test=None):
    """``counts`` objects an image; splits trainval and test hold all of them, or ``test`` its own."""
    rng = np.random.default_rng(seed)
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for number, count in enumerate(counts):
        found = objects(rng, width, height, count)
        picture(rng, width, height, found).save(root / "JPEGImages" / f"im{number}.png")
        (root / "Annotations" / f"im{number}.xml").write_text(xml(f"im{number}", width, height, found))
    names = "".join(f"im{number}\n" for number in range(len(counts)))
    (root / "ImageSets" / "Main" / "trainval.txt").write_text(names)
    (root / "ImageSets" / "Main" / "test.txt").write_text(test or names)
    return root


def make_coco(root: Path, counts=(3, 2, 0), width=96, height=64, seed=0):
    """The same images and boxes as `make_voc` of that seed; category ids 7 and 9."""
    rng = np.random.default_rng(seed)
    (root / "annotations").mkdir(parents=True)
    images, annotations = [], []
    for split in ("train2017", "val2017"):
        (root / split).mkdir()
    for number, count in enumerate(counts):
        found = objects(rng, width, height, count)
        made = picture(rng, width, height, found)
        for split in ("train2017", "val2017"):
            made.save(root / split / f"im{number}.png")
        images.append({"id": number + 1, "file_name": f"im{number}.png", "width": width, "height": height})
        for label, x1, y1, x2, y2 in found:
            box = [x1, y1, x2 - x1, y2 - y1]
            one = {"image_id": number + 1, "category_id": (7, 9)[label], "bbox": box}
            area = (x2 - x1) * (y2 - y1)
            annotations.append({"id": len(annotations) + 1, **one, "area": area, "iscrowd": 0})
    categories = [{"id": 9, "name": "high"}, {"id": 7, "name": "wide"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    for split in ("train2017", "val2017"):
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return root
