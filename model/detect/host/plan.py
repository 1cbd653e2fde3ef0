"""The description of an exported detector, detect.json: everything that turns its maps into boxes, in
integers.

Coordinates count 1/65536 of the image's side, scores 1/32768. Exponentials come from tables with an entry
for every integer that the maps can hold.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.atomic import atomic_file
from fermatnet.model.detect.boxes.geometry import VARIANCES
from fermatnet.model.detect.boxes.suppression import Rule
from fermatnet.model.detect.networks.detector import Detector
from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.model.network import Network

__all__ = ["SCORE", "SIDE", "Map", "Plan", "plan_of", "read_plan"]

SIDE, SCORE, EXPONENT, FACTOR, UNION = 16, 15, 24, 16, 10
"""Bits after the point of coordinates, scores, exponentials, sizes' factors and the overlap."""
_LARGEST = 64.0  # sides of a prior: no box is larger
FORMAT = 1


@dataclass(frozen=True)
class Map:
    """One stage's two outputs: their names in the network, (height, width), priors a place; ``score_bits``
    and ``box_bits``: a unit of their integers is 2^-bits; (lo, hi) of each."""

    classes: str
    boxes: str
    size: tuple[int, int]
    shapes: int
    score_bits: int
    box_bits: int
    score_range: tuple[int, int]
    box_range: tuple[int, int]

    def exponentials(self) -> np.ndarray:
        """int64 (differences,): exp(-d) of score differences d from 0 to the range's width."""
        count = self.score_range[1] - self.score_range[0] + 1
        values = np.exp(-np.arange(count) * 2.0**-self.score_bits)
        return np.floor(values * (1 << EXPONENT) + 0.5).astype(np.int64)

    def factors(self) -> np.ndarray:
        """int64: a coded size's factor on the prior's, for each integer from the lowest on."""
        codes = np.arange(self.box_range[0], self.box_range[1] + 1) * 2.0**-self.box_bits
        values = np.minimum(np.exp(np.minimum(codes * VARIANCES[1], math.log(_LARGEST))), _LARGEST)
        return np.floor(values * (1 << FACTOR) + 0.5).astype(np.int64)


@dataclass(frozen=True)
class Plan:
    """``image``: (C, H, W);  ``labels``: names of the classes, the first is label 1;  ``priors``: int64 (P,
    4), centres and sizes;  ``rule``: what is kept."""

    image: tuple[int, int, int]
    labels: tuple[str, ...]
    maps: tuple[Map, ...]
    priors: np.ndarray
    rule: Rule

    @property
    def least(self) -> int:
        """The lowest score that is kept, in 1/32768."""
        return math.ceil(self.rule.score * (1 << SCORE))

    @property
    def most_overlap(self) -> int:
        """The largest overlap of two boxes that are both kept, in 1/1024."""
        return math.floor(self.rule.overlap * (1 << UNION))

    def write(self, path: str | Path) -> None:
        """Writes detect.json, whole or not at all."""
        document = {
            "format": FORMAT,
            "image": list(self.image),
            "labels": list(self.labels),
            "maps": [asdict(one) for one in self.maps],
            "priors": self.priors.tolist(),
            "rule": asdict(self.rule),
        }
        with atomic_file(path) as file:
            file.write_text(json.dumps(document) + "\n")


_SHAPE: dict[str, Any] = {
    "format": int,
    "image": [SIZE, SIZE, SIZE],
    "labels": [str],
    "maps": [
        {
            "classes": str,
            "boxes": str,
            "size": [SIZE, SIZE],
            "shapes": SIZE,
            "score_bits": int,
            "box_bits": int,
            "score_range": [int, int],
            "box_range": [int, int],
        }
    ],
    "priors": [[int]],
    "rule": {"score": float, "overlap": float, "candidates": SIZE, "most": SIZE},
}


def read_plan(path: str | Path) -> Plan:
    """The description of an exported detector; InputError where the file is missing or damaged."""
    path = Path(path)
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there: fermatnet detect export writes it") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error
    validate(found, _SHAPE, path)
    kept: list[dict[str, Any]] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in one.items()}
        for one in found["maps"]
    ]
    maps = [Map(**one) for one in kept]
    priors = np.asarray(found["priors"], np.int64).reshape(-1, 4)
    if len(priors) != sum(one.size[0] * one.size[1] * one.shapes for one in maps):
        raise InputError(f"{path} is damaged: its {len(priors)} priors are not those of its maps")
    return Plan(tuple(found["image"]), tuple(found["labels"]), tuple(maps), priors, Rule(**found["rule"]))


def plan_of(detector: Detector, net: Network, labels: Sequence[str], rule: Rule | None = None) -> Plan:
    """Of a detector and the network that it was exported to. InputError where an output is wider than tables
    can be (16 bits)."""
    names = json.loads(net.meta["outputs"])
    maps = []
    for number, (level, size) in enumerate(zip(detector.levels, detector.maps, strict=True)):
        ends = [names[f"classes{number}"], names[f"boxes{number}"]]
        kinds = [net.types[name] for name in ends]
        ranges = [(int(kind.lo), int(kind.hi)) for kind in kinds]
        if max(hi - lo for lo, hi in ranges) >= 1 << 16:
            raise InputError(f"output {ends[0]!r} or {ends[1]!r} is wider than 16 bits: quantize the heads")
        bits = [_bits(net, name) for name in ends]
        maps.append(Map(ends[0], ends[1], size, len(level.shapes), bits[0], bits[1], ranges[0], ranges[1]))
    priors = np.floor(detector.priors.double().numpy() * (1 << SIDE) + 0.5).astype(np.int64)
    return Plan(tuple(detector.image), tuple(labels), tuple(maps), priors, rule or Rule())  # type: ignore[arg-type]


def _bits(net: Network, name: str) -> int:
    key = "output_scale" if name == net.outputs[0] else f"output_scale {name}"
    return -round(math.log2(float(net.meta[key])))
