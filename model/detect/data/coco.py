"""COCO folders: annotations/instances_SPLIT.json and SPLIT/ with the images (Lin et al. 2014).

A box is (x, y, width, height) in pixels from 0. Category ids have gaps; label k is the k-th category by id.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.detect.data.items import BoxSet, Item, Lost, check_box
from fermatnet.model.detect.data.pictures import picture_size
from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import validate

__all__ = ["read_coco"]

_SHAPE = {
    "images": [{"id": int, "file_name": str, "width": int, "height": int}],
    "annotations": [{"image_id": int, "category_id": int, "bbox": [float, float, float, float]}],
    "categories": [{"id": int, "name": str}],
}


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} is not there: coco:DIR holds annotations/instances_SPLIT.json")
    try:
        found = json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a JSON file: {error}") from error
    validate(found, _SHAPE, path)
    return found


def _check_single(path: Path, what: str, values: Sequence[int] | Sequence[str]) -> None:
    """InputError where one of the values stands there twice."""
    seen: set[int | str] = set()
    for value in values:
        if value in seen:
            raise InputError(f"{path}: {what} {value!r} stands there twice")
        seen.add(value)


def _labels(
    path: Path, categories: Sequence[dict[str, Any]], classes: Sequence[str] | None
) -> dict[int, int]:
    """Label of each category id."""
    ids = [one["id"] for one in categories]
    names = [one["name"] for one in categories]
    _check_single(path, "category id", ids)
    _check_single(path, "category name", names)
    if classes is None:
        return {one: number for number, one in enumerate(sorted(ids), 1)}
    if unknown := [name for name in classes if name not in names]:
        raise InputError(f"{path} has no category {unknown[0]!r}; it has {', '.join(names)}")
    return {one: classes.index(name) + 1 for one, name in zip(ids, names, strict=True) if name in classes}


def _grouped(path: Path, document: dict[str, Any], known: dict[int, int]) -> dict[int, list[dict[str, Any]]]:
    """Annotations by the id of their image."""
    images = {one["id"] for one in document["images"]}
    _check_single(path, "image id", [one["id"] for one in document["images"]])
    _check_single(path, "annotation id", [one["id"] for one in document["annotations"] if "id" in one])
    every = {one["id"] for one in document["categories"]}
    found: dict[int, list[dict[str, Any]]] = {one: [] for one in images}
    for place, one in enumerate(document["annotations"]):
        where = f"{path}: annotation {one.get('id', place)}"
        if one["image_id"] not in images:
            raise InputError(f"{where} is of image {one['image_id']}, which the file does not list")
        if one["category_id"] not in every:
            raise InputError(f"{where} has category id {one['category_id']}, which the file does not list")
        if one["category_id"] in known:
            found[one["image_id"]].append(one)
    return found


def _item(
    path: Path,
    folder: Path,
    image: dict[str, Any],
    annotations: list[dict[str, Any]],
    known: dict[int, int],
    lost: Lost,
) -> Item:
    file = folder / image["file_name"]
    if not file.is_file():
        raise InputError(f"{path}: image {image['id']}, {file}, is not there")
    size = picture_size(file)
    if size != (image["width"], image["height"]):
        raise InputError(
            f"{path}: image {image['id']} is {image['width']}x{image['height']}, {file} is "
            f"{size[0]}x{size[1]}"
        )
    rows = []
    for place, one in enumerate(annotations):
        x, y, wide, high = map(float, one["bbox"])
        where = f"{path}: annotation {one.get('id', place)} of {image['file_name']}"
        # COCO's own boxes are rounded to hundredths of a pixel
        if check_box(where, (x, y, _snapped(x + wide, size[0]), _snapped(y + high, size[1])), size, lost):
            crowd = bool(one.get("iscrowd", 0))
            rows.append(((x, y, x + wide, y + high), known[one["category_id"]], crowd))
    return Item(
        file,
        str(image["id"]),
        size,
        np.asarray([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.asarray([row[1] for row in rows], np.int64),
        np.asarray([row[2] for row in rows], bool),
    )


def _snapped(end: float, side: int) -> float:
    return min(end, side) if end <= side + 0.02 else end


def read_coco(
    folder: str | Path, split: str, classes: Sequence[str] | None = None, boxes: str = "refuse"
) -> BoxSet:
    """The images of ``split``, those without an object too, with the categories ``classes`` (None: all).

    boxes: what is done with boxes without area or outside their image: "refuse", or "skip" and count.
    Crowds are `difficult`. Raises InputError in one line that names the file.
    """
    folder = Path(folder)
    path = folder / "annotations" / f"instances_{split}.json"
    document = _document(path)
    known = _labels(path, document["categories"], classes)
    grouped = _grouped(path, document, known)
    lost = Lost(boxes)
    images = sorted(document["images"], key=lambda one: one["id"])
    if not images:
        raise InputError(f"{path} lists no image")
    items = [_item(path, folder / split, one, grouped[one["id"]], known, lost) for one in images]
    names = {known[one["id"]]: one["name"] for one in document["categories"] if one["id"] in known}
    return BoxSet(tuple(items), tuple(names[label] for label in sorted(names)), lost)
