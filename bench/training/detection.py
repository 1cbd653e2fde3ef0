"""A small detector on BCCD, 364 images of blood cells in VOC's layout: in full precision, piecewise
approximated from those weights, and with AW-convolutions, seed after seed.

    python -m fermatnet.bench.training.detection --data voc:BCCD --out runs --json detection.json

Each row is written as soon as it is there; runs that are finished are not made again, those that were cut go
on. ``--pictures DIR`` draws what the last run of each form finds in the first test images.
"""

import json
from pathlib import Path
from typing import Any

import click

from fermatnet.model.atomic import atomic_file
from fermatnet.model.detect.boxes.suppression import Rule
from fermatnet.model.detect.data.pictures import open_picture
from fermatnet.model.detect.data.source import open_boxes
from fermatnet.model.detect.drawing import drawn, mosaic, save
from fermatnet.model.detect.inference import finder, found_in_file
from fermatnet.model.detect.training.finished import evaluate_run
from fermatnet.model.detect.training.run import train

__all__ = ["FORMS", "pictures", "row", "run"]

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "float": ("ssdlite-small", {"scheme": "float"}),
    "pa": ("ssdlite-small", {"scheme": "pa", "weights": 4, "activations": 5}),
    "aw": ("aw-ssdlite-small", {"scheme": "float"}),
}
"""Network and options of each form; "pa" starts from the run of "float" of the same seed."""


def row(
    form: str,
    seed: int,
    data: str,
    out: Path,
    epochs: int | None = None,
    width: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One form with one seed: trained where it is not yet, and scored on the test split.

    epochs : of this form, None for the recipe's.  width : of the detector, None for its own.
    """
    net, options = FORMS[form]
    if width:
        options = options | {"network": {"width": width}}
    folder = out / f"{form}-{seed}"
    if form == "pa":
        options = options | {"twin": out / f"float-{seed}", "epochs": epochs or 14}
    elif epochs:
        options = options | {"float_epochs": epochs}
    if not (folder / "summary.json").is_file():
        train(net, data, folder, recipe="bccd", resume=folder.exists(), seed=seed, **options, **more)
    found = evaluate_run(folder, split=more.get("test"))
    summary = json.loads((folder / "summary.json").read_text())
    kept = {"map": found["map"], "map_area": found["map_area"], "classes": found["classes"]}
    cost = {"parameters": summary["parameters"], "seconds": summary["seconds"]}
    return {"form": form, "seed": seed, **kept, "coco": found["coco"], **cost}


def pictures(folder: Path, data: str, split: str, target: Path, count: int = 4, score: float = 0.4) -> None:
    """The first images of a split with the objects that a run or an export finds, in one picture."""
    find, size, names = finder(folder, Rule(score=score))
    part = open_boxes(data, names, "skip").part(split)
    made = []
    for item in part.items[:count]:
        picture, rows = found_in_file(item.path, find, size, names)
        labels = [names.index(one["class"]) + 1 for one in rows]
        made.append(drawn(picture, [one["box"] for one in rows], labels, names))
    save(mosaic(made), target)


def truth(data: str, classes: tuple[str, ...], split: str, target: Path, count: int = 4) -> None:
    """The same images with the boxes that people drew."""
    part = open_boxes(data, classes, "skip").part(split)
    items = part.items[:count]
    save(mosaic([drawn(open_picture(i.path), i.boxes, i.labels.tolist(), classes) for i in items]), target)


def run(
    data: str,
    out: Path,
    seeds: list[int],
    forms: list[str],
    json_path: Path | None = None,
    **more: Any,
) -> list[dict[str, Any]]:
    """All rows, each written to ``json_path`` as soon as it is there; ``more``: as `row` takes it."""
    rows = []
    for seed in seeds:
        for form in forms:
            rows.append(row(form, seed, data, out, **more))
            click.echo(
                f"{form:6} seed {seed}  mAP {rows[-1]['map']:.4f}  COCO AP50 {rows[-1]['coco']['ap50']:.4f}"
            )
            if json_path:
                with atomic_file(json_path) as path:
                    path.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


@click.command()
@click.option("--data", required=True, metavar="voc:DIR")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the runs.")
@click.option("--seeds", default="0", show_default=True, help="Comma between them.")
@click.option("--forms", default="float,pa,aw", show_default=True)
@click.option("--width", type=click.IntRange(2, 64), help="Of the detector.  [usual: 16]")
@click.option("--threads", type=click.IntRange(1, 1024), help="Of torch.  [usual: its own choice]")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
@click.option("--pictures", "target", type=click.Path(path_type=Path), help="Folder for the drawings.")
def command(
    data: str,
    out: Path,
    seeds: str,
    forms: str,
    width: int | None,
    threads: int | None,
    json_path: Path | None,
    target: Path | None,
) -> None:
    """Train the forms on BCCD and print their scores."""
    chosen, numbers = forms.split(","), [int(seed) for seed in seeds.split(",")]
    run(data, out, numbers, chosen, json_path, width=width, threads=threads, check="val", every=10)
    if target:
        target.mkdir(parents=True, exist_ok=True)
        truth(data, ("RBC", "WBC", "Platelets"), "test", target / "detection-truth.jpg")
        for form in chosen:
            name = f"detection-{form}.jpg"
            pictures(out / f"{form}-{numbers[-1]}", data, "test", target / name)


if __name__ == "__main__":
    command()
