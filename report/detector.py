"""A detector on images: each drawn in a file of its own, detections.json, and report.html with all of it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.model.atomic import atomic_directory
from fermatnet.model.detect.boxes.suppression import Rule
from fermatnet.model.detect.drawing import drawn, save
from fermatnet.model.detect.host.plan import read_plan
from fermatnet.model.detect.inference import finder, found_in_file, pixels_of
from fermatnet.model.detect.training.config import read_config
from fermatnet.model.detect.training.settings import Settings
from fermatnet.model.errors import InputError
from fermatnet.model.network import load
from fermatnet.model.train.folder import RunFolder
from fermatnet.report.agreement import agreement, design_facts
from fermatnet.report.detections import picture_data, render

__all__ = ["described", "draw_detections"]


def _of_export(folder: Path) -> dict[str, Any]:
    net, plan = load(folder / "network.onnx"), read_plan(folder / "detect.json")
    score, images = net.meta.get("test_map"), net.meta.get("test_images")
    return {
        "name": net.meta["name"],
        "source": "the exported network",
        "facts": [
            ("image", "x".join(map(str, plan.image))),
            ("classes", ", ".join(plan.labels)),
            ("scheme", net.meta.get("scheme", "")),
            ("priors", f"{len(plan.priors):,}"),
            ("layers", str(len(net.nodes))),
            ("outputs", ", ".join(net.outputs)),
        ],
        "test": {"map": float(score), "images": images} if score and images else None,
    }


def _of_run(folder: Path) -> dict[str, Any]:
    config = read_config(RunFolder(folder))
    settings = Settings(**config["settings"])
    summary = RunFolder(folder).read_json("summary.json", {"map": float, "test_images": int})
    return {
        "name": config["net"],
        "source": "the trained network",
        "facts": [
            ("image", f"3x{settings.height}x{settings.width}"),
            ("classes", ", ".join(config["classes"])),
            ("scheme", config["scheme"]),
        ],
        "test": {"map": summary["map"], "images": summary["test_images"]},
    }


def described(source: str | Path) -> dict[str, Any]:
    """{"name", "source", "facts", "test"} of `fermatnet.report.detections.render`, of a run folder or of a
    folder that ``fermatnet detect export`` has written."""
    folder = Path(source)
    return _of_export(folder) if (folder / "detect.json").is_file() else _of_run(folder)


def _drawn(path: Path, looked: Any, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """One image of the page; its drawing is saved beside the others."""
    picture, rows = looked
    labels, boxes = [names.index(row["class"]) + 1 for row in rows], [row["box"] for row in rows]
    made = drawn(picture, boxes, labels, names, [row["score"] for row in rows])
    save(made, folder / f"{path.stem}.png")
    return {"name": path.name, "picture": picture_data(made), "objects": rows}


def draw_detections(
    source: str | Path,
    files: Sequence[Path],
    out: str | Path,
    *,
    score: float = 0.4,
    overlap: float = 0.45,
    check: bool = False,
    verilog: str | Path | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Writes the folder ``out``, whole or not at all; what `fermatnet.report.detections.render` was given.

    Parameters
    ----------
    source : a run folder, or one of ``fermatnet detect export``
    score, overlap : least score shown, most overlap of two boxes that are both kept
    check : of an exported network: compare what `fermatnet.report.agreement.agreement` compares
    verilog : folder of ``fermatnet verilog`` of the exported network, for its speed and resources

    Raises InputError for images that are none, and for ``check`` and ``verilog`` of a run folder.
    """
    exported = (Path(source) / "detect.json").is_file()
    if (check or verilog) and not exported:
        raise InputError(f"{source} is a run: --check and --verilog need a folder of fermatnet detect export")
    report = {**described(source), "score": score, "exact": [], "design": None}
    if verilog:
        report["design"] = design_facts(verilog, load(Path(source) / "network.onnx"))
    find, size, names = finder(source, Rule(score=score, overlap=overlap))
    with atomic_directory(out, force=force) as folder:
        images = []
        for number, path in enumerate(files, 1):
            progress(f"looking at image {number} of {len(files)}")
            images.append(_drawn(path, found_in_file(path, find, size, names), names, folder))
        report["images"] = images
        if check:
            pixels = np.stack([pixels_of(path, size) for path in files])
            report["exact"] = agreement(source, pixels, verilog, progress)
        by_image = {image["name"]: image["objects"] for image in images}
        (folder / "detections.json").write_text(json.dumps(by_image, indent=1) + "\n")
        (folder / "report.html").write_text(render(report))
    return report
