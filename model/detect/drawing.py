"""Pictures with boxes drawn in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.atomic import atomic_file

__all__ = ["COLOURS", "drawn", "mosaic", "save"]

COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
"""Of the classes, one after the other (Okabe and Ito 2008: told apart by colour-blind readers)."""


def drawn(
    picture: Any,
    boxes: Any,
    labels: Sequence[int],
    names: Sequence[str],
    scores: Sequence[float] | None = None,
) -> Any:
    """A copy of a Pillow image with boxes, (n, 4) numbers in its pixels, their classes (labels from 1) and,
    where there are ``scores``, its score."""
    from PIL import ImageDraw

    made = picture.convert("RGB").copy()
    pen = ImageDraw.Draw(made)
    thick = max(1, round(min(made.size) / 200))
    for number, (box, label) in enumerate(zip(np.asarray(boxes).tolist(), labels, strict=True)):
        colour = COLOURS[(int(label) - 1) % len(COLOURS)]
        words = names[int(label) - 1] + ("" if scores is None else f" {scores[number]:.2f}")
        x1, y1, x2, y2 = (round(value) for value in box)
        pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour, width=thick)
        place = pen.textbbox((x1 + thick, y1), words)
        pen.rectangle(place, fill=colour)
        pen.text((x1 + thick, y1), words, fill="black")
    return made


def mosaic(pictures: Sequence[Any], columns: int = 4, width: int = 320) -> Any:
    """One picture of several, so many a row, each ``width`` pixels wide."""
    from PIL import Image

    sized = [one.resize((width, round(one.height * width / one.width))) for one in pictures]
    high = max(one.height for one in sized)
    rows = -(-len(sized) // columns)
    made = Image.new("RGB", (width * min(columns, len(sized)), high * rows), "white")
    for number, one in enumerate(sized):
        made.paste(one, (number % columns * width, number // columns * high))
    return made


def save(picture: Any, path: str | Path) -> None:
    """A PNG or JPEG by its name, whole or not at all."""
    kind = "JPEG" if Path(path).suffix.lower() in (".jpg", ".jpeg") else "PNG"
    with atomic_file(path) as file:
        picture.save(file, format=kind)
