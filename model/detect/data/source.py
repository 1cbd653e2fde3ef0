"""``voc:DIR[,DIR...]`` and ``coco:DIR`` as two parts, training and test."""

from dataclasses import dataclass
from pathlib import Path

from fermatnet.model.detect.data.coco import read_coco
from fermatnet.model.detect.data.items import BoxSet
from fermatnet.model.detect.data.voc import VOC_CLASSES, read_voc
from fermatnet.model.errors import InputError

__all__ = ["KINDS", "Source", "kind_of", "open_boxes"]

KINDS = {"voc": ("trainval", "test"), "coco": ("train2017", "val2017")}
"""Usual splits for training and test."""


def kind_of(data: str) -> tuple[str, tuple[Path, ...]]:
    """("voc" or "coco", folders); InputError for another name or a folder that is not there."""
    kind, colon, rest = data.partition(":")
    if kind not in KINDS or not colon or not rest:
        raise InputError(f"boxes come from voc:DIR, voc:DIR,DIR or coco:DIR, not {data!r}")
    folders = tuple(Path(part) for part in rest.split(","))
    if kind == "coco" and len(folders) > 1:
        raise InputError(f"coco: takes one folder, not {len(folders)}")
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    return kind, folders


@dataclass(frozen=True)
class Source:
    """A data set by its name; `part` reads a split of it."""

    kind: str
    folders: tuple[Path, ...]
    classes: tuple[str, ...]
    boxes: str = "refuse"

    def part(self, split: str) -> BoxSet:
        """The images of a split; of several VOC folders those that have it, for training all of them."""
        if self.kind == "coco":
            return read_coco(self.folders[0], split, self.classes or None, self.boxes)
        there = [
            folder
            for folder in self.folders
            if split == KINDS["voc"][0] or (folder / "ImageSets" / "Main" / f"{split}.txt").is_file()
        ]
        return read_voc(there or self.folders, split, self.classes or VOC_CLASSES, self.boxes)


def open_boxes(data: str, classes: tuple[str, ...] = (), boxes: str = "refuse") -> Source:
    """The data set of that name. ``classes``: label names in order; () is VOC's twenty or all of COCO's."""
    kind, folders = kind_of(data)
    return Source(kind, folders, tuple(classes), boxes)
