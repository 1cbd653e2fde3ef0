"""PASCAL VOC folders: Annotations/*.xml, JPEGImages/, ImageSets/Main/SPLIT.txt (Everingham et al. 2010).

VOC counts pixels from 1 and its last row and column belong to the box; here a box is [xmin - 1, xmax).
"""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from fermatnet.model.detect.data.items import BoxSet, Item, Lost, check_box
from fermatnet.model.detect.data.pictures import picture_size
from fermatnet.model.errors import InputError

__all__ = ["VOC_CLASSES", "read_voc"]

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


def _names(folder: Path, split: str) -> list[str]:
    path = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        found = sorted(other.stem for other in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        raise InputError(f"{folder} has no split {split!r}: {path} is not there; it has {found or 'none'}")
    names = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    if not names:
        raise InputError(f"{path} names no image")
    if twice := {name for name in names if names.count(name) > 1} if len(names) < 5000 else set():
        raise InputError(f"{path} names {sorted(twice)[0]!r} twice")
    return names


def _image(folder: Path, name: str, annotation: Path) -> Path:
    for suffix in _SUFFIXES:
        path = folder / "JPEGImages" / f"{name}{suffix}"
        if path.is_file():
            return path
    raise InputError(f"{annotation}: its image {folder / 'JPEGImages' / name}.jpg is not there")


def _number(element: ElementTree.Element, place: str, annotation: Path) -> float:
    text = element.findtext(place)
    if text is None:
        raise InputError(f"{annotation}: {element.tag} has no {place}")
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{annotation}: {place} must be a number, not {text!r}") from None


def _item(folder: Path, name: str, classes: Sequence[str], lost: Lost) -> Item:
    annotation = folder / "Annotations" / f"{name}.xml"
    if not annotation.is_file():
        raise InputError(f"{annotation} is not there, but ImageSets/Main names {name!r}")
    try:
        root = ElementTree.parse(annotation).getroot()
    except ElementTree.ParseError as error:
        raise InputError(f"{annotation} is not an XML file: {error}") from error
    image = _image(folder, name, annotation)
    size = picture_size(image)
    told = tuple(int(_number(root, f"size/{side}", annotation)) for side in ("width", "height"))
    if told != (0, 0) and told != size:  # some tools write zeros
        sizes = f"{told[0]}x{told[1]}, but {image} is {size[0]}x{size[1]}"
        raise InputError(f"{annotation} is of an image of {sizes}")
    boxes, labels, difficult = [], [], []
    for part in root.iter("object"):
        label = (part.findtext("name") or "").strip()
        if label not in classes:
            raise InputError(
                f"{annotation}: label {label!r} is none of the classes {', '.join(classes)}; give the "
                "set's own with --classes NAME,NAME"
            )
        x1, y1, x2, y2 = (
            _number(part, f"bndbox/{key}", annotation) for key in ("xmin", "ymin", "xmax", "ymax")
        )
        if check_box(str(annotation), (x1, y1, x2, y2), size, lost):
            boxes.append((max(0.0, x1 - 1), max(0.0, y1 - 1), x2, y2))
            labels.append(classes.index(label) + 1)
            difficult.append((part.findtext("difficult") or "0").strip() == "1")
    return Item(
        image,
        name,
        size,
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(labels, np.int64),
        np.asarray(difficult, bool),
    )


def read_voc(
    folders: Sequence[str | Path], split: str, classes: Sequence[str] = VOC_CLASSES, boxes: str = "refuse"
) -> BoxSet:
    """The images that ImageSets/Main/``split``.txt of each folder names, those without an object too.

    boxes: what is done with boxes without area or outside their image: "refuse", or "skip" and count.
    Raises InputError in one line that names the file: an annotation or its image is missing or damaged, a
    label is none of ``classes``, a box is none.
    """
    lost = Lost(boxes)
    items = [
        _item(Path(folder), name, tuple(classes), lost)
        for folder in folders
        for name in _names(Path(folder), split)
    ]
    return BoxSet(tuple(items), tuple(classes), lost)
