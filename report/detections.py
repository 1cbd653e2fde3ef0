"""report.html of a detector: what it finds in images, who computes the same, what its hardware would take, in
one self-contained page."""

import base64
from io import BytesIO
from typing import Any

from fermatnet.report.template import filled

__all__ = ["picture_data", "render"]

WIDTH = 640
"""Pixels of a drawing in the page, at most."""


def picture_data(picture: Any) -> str:
    """A Pillow image as a JPEG in a data URI, no wider than `WIDTH`."""
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)))
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _cards(report: dict[str, Any]) -> list[tuple[str, str]]:
    images, design = report["images"], report["design"]
    cards = [(f"{sum(len(image['objects']) for image in images):,}", f"objects in {len(images):,} images")]
    if report["test"]:
        cards.append(
            (f"{report['test']['map']:.3f}", f"mAP at overlap 0.5 on {report['test']['images']} test images")
        )
    if report["exact"]:
        same = all(row["equal"] == row["images"] for row in report["exact"])
        engines = f"{len(report['exact'])} engines beside the numpy reference"
        cards.append(("equal" if same else "DIFFERENT", engines))
    if design:
        cards.append(
            (f"{design['images_per_second']:,.0f}", f"images a second at {design['clock_mhz']:g} MHz")
        )
        cards.append((f"{design['cycles_per_image']:,}", "cycles an image"))
        if total := design["resources"]:
            rest = (
                f"{total['ffs']:,} flip-flops, {total['brams']:,g} block RAMs, {total['dsps']:,} multipliers"
            )
            cards.append((f"{total['luts']:,}", f"LUTs predicted on {design['device']}; {rest}"))
    return cards


def render(report: dict[str, Any]) -> str:
    """The page as text, everything in it escaped.

    ``report``: {"name", "source", "facts": [(word, value)], "score": least score shown, "test": {"map",
    "images"} or None, "exact": rows of `fermatnet.report.agreement.agreement`, "design": of
    `fermatnet.report.agreement.design_facts` or None, "images": [{"name", "picture": data URI, "objects":
    [{"class", "score", "box"}]}]}.
    """
    counts: dict[str, int] = {}
    for image in report["images"]:
        for one in image["objects"]:
            counts[one["class"]] = counts.get(one["class"], 0) + 1
    return filled("detections.html", report=report, cards=_cards(report), counts=counts)
