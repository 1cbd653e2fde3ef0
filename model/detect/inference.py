"""Detections in image files: by the trained network, or by the integers of an exported one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermatnet.model.detect.boxes.suppression import Rule, detections
from fermatnet.model.detect.data.pictures import open_picture, view
from fermatnet.model.detect.host.decode import boxes_of
from fermatnet.model.detect.host.plan import read_plan
from fermatnet.model.detect.training.finished import load_run, outputs_of
from fermatnet.model.errors import InputError
from fermatnet.model.network import load

__all__ = ["Finder", "finder", "found_in_file", "image_files", "pixels_of"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
Row = dict[str, Any]
Finder = Callable[[np.ndarray], list[Row]]
"""uint8 (3, H, W) -> rows {"label", "score", "box": corners in units of the image}, the best first."""


def image_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files, and those in folders; InputError where there is none."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: no such file")
        inside = (
            sorted(one for one in path.iterdir() if one.suffix.lower() in _SUFFIXES)
            if path.is_dir()
            else [path]
        )
        if not inside:
            raise InputError(f"{path} holds no image ({', '.join(_SUFFIXES)})")
        found += inside
    if twice := {one.stem for one in found if [other.stem for other in found].count(one.stem) > 1}:
        raise InputError(f"two images are called {sorted(twice)[0]!r}: their drawings would be one file")
    return found


def finder(path: str | Path, rule: Rule) -> tuple[Finder, tuple[int, int], tuple[str, ...]]:
    """(finder, (height, width) of its images, names of the classes) of a run folder, or of a folder that
    ``fermatnet detect export`` has written: then in integers, by the reference."""
    folder = Path(path)
    if (folder / "detect.json").is_file():
        plan = read_plan(folder / "detect.json")
        net = load(folder / "network.onnx")

        def by_integers(pixels: np.ndarray) -> list[Row]:
            rows = boxes_of(outputs_of(net, pixels[None])[0], plan)
            return [
                {
                    "label": int(row[0]),
                    "score": row[1] / 32768,
                    "box": [value / 65536 for value in row[2:].tolist()],
                }
                for row in rows
                if row[1] >= rule.score * 32768
            ]

        return by_integers, plan.image[1:], plan.labels
    model, detector, config = load_run(folder)

    @torch.no_grad()
    def by_network(pixels: np.ndarray) -> list[Row]:
        row = model(torch.from_numpy(pixels[None]))[0].float()
        one = detections(row[:, :-4], row[:, -4:], detector.priors, rule)
        parts = zip(one.labels.tolist(), one.scores.tolist(), one.boxes.tolist(), strict=True)
        return [{"label": label, "score": score, "box": box} for label, score, box in parts]

    return by_network, (detector.image[1], detector.image[2]), tuple(config["classes"])


def _resized(picture: Any, size: tuple[int, int]) -> np.ndarray:
    whole = (0.0, 0.0, float(picture.width), float(picture.height))
    return np.ascontiguousarray(view(picture, whole, size).transpose(2, 0, 1))


def pixels_of(path: Path, size: tuple[int, int]) -> np.ndarray:
    """uint8 (3, H, W): an image file at the network's ``size`` (H, W)."""
    return _resized(open_picture(path), size)


def found_in_file(
    path: Path, find: Finder, size: tuple[int, int], names: Sequence[str]
) -> tuple[Any, list[Row]]:
    """(picture, rows {"class", "score", "box": corners in its pixels}) of an image file."""
    picture = open_picture(path)
    rows = []
    for one in find(_resized(picture, size)):
        box = [round(value * side, 2) for value, side in zip(one["box"], picture.size * 2, strict=True)]
        rows.append({"class": names[one["label"] - 1], "score": round(one["score"], 5), "box": box})
    return picture, rows
