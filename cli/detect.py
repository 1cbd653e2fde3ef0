"""``fermatnet detect train | evaluate | run | export``."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fermatnet.cli.console import line
from fermatnet.cli.failure import Interrupted
from fermatnet.cli.kinds import FiniteRange, InputDirectory, OutputDirectory, judge, own_options
from fermatnet.cli.phases import phases
from fermatnet.cli.train import flag
from fermatnet.model.train.options import Options
from fermatnet.model.train.ranges import check_device, check_scheme
from fermatnet.model.zoo import catalogue

_RUN = InputDirectory("config.json", "no training run")
_DATA = "voc:DIR, voc:DIR,DIR (VOC 2007 and 2012) or coco:DIR."
# name: kind, help; kept here so that --help imports no torch
_SETTINGS: dict[str, tuple[Any, str]] = {
    "height": (click.IntRange(32, 4096), "Of the network's input, in pixels.  [usual: 300]"),
    "width": (click.IntRange(32, 4096), "The same.  [usual: 300]"),
    "classes": (str, "Names, comma between them; usual: VOC's twenty, or all of the COCO file."),
    "train": (str, "Split to train on.  [usual: trainval, train2017]"),
    "test": (str, "Split to score at the end.  [usual: test, val2017]"),
    "check": (str, "Split that is scored every --every epochs, for the curves."),
    "every": (click.IntRange(1, 1_000_000), "Epochs between two scores of --check.  [usual: 10]"),
    "boxes": (click.Choice(["refuse", "skip"]), "Boxes without area or outside their image."),
    "expand": (FiniteRange(1, 16), "Augmentation: largest canvas, in sides of the image.  [usual: 4]"),
    "least": (FiniteRange(0.05, 1), "Augmentation: smallest crop, in sides of the image.  [usual: 0.3]"),
    "upside": (bool, "Augmentation: top to bottom at random."),
    "colour": (FiniteRange(0, 1), "Augmentation: share of SSD's changes of colour.  [usual: 1]"),
    "threshold": (FiniteRange(0.05, 0.95), "Overlap from which a prior answers for an object.  [usual: 0.5]"),
    "negatives": (click.IntRange(1, 100), "Hard background priors a positive one.  [usual: 3]"),
}
_LEFT_OUT = ("size", "resize", "crop", "jitter", "lighting", "corrupt", "pad", "validation", "engine", "map")
"""Options of classifiers that mean nothing here."""


def _setting(name: str, kind: Any, text: str) -> click.Option:
    word = f"--{name}"
    if kind is bool:
        return click.Option([f"{word}/--no-{name}", name], default=None, help=text)
    return click.Option([word, name], type=kind, default=None, help=text)


def _train(net: str, data: str, out: str, resume: bool, **options: Any) -> None:
    catalogue.check_detector(net)
    check_scheme(options["scheme"] or "float", options["weights"], options["activations"])
    if options["device"] is not None:
        check_device(options["device"])
    with phases("detect train") as phase:
        phase("loading torch")
        from fermatnet.model.detect.training.run import train
    try:
        summary = train(net, data, out, resume=resume, **options)
    except KeyboardInterrupt:
        if (Path(out) / "config.json").is_file():
            raise Interrupted("the same command with --resume goes on after the last checkpoint") from None
        raise
    for name, scores in summary["scores"].items():
        each = ", ".join(f"{label} {value:.3f}" for label, value in scores["classes"].items())
        line(f"{name:10} mAP {scores['map']:.4f} of {summary['test_images']} test images ({each})")
    line(f"run folder: {out}")


@click.group(name="detect")
def command() -> None:
    """Object detection: SSD300, SSDLite300 and a small detector, from boxes to integers."""


command.add_command(
    click.Command(
        "train",
        callback=_train,
        params=[
            click.Argument(["net"]),
            click.Option(["--data"], required=True, metavar="DATA", help=_DATA),
            click.Option(["--out"], required=True, type=OutputDirectory(), metavar="RUN", help="Run folder."),
            click.Option(
                ["--resume"], is_flag=True, help="Go on from the last checkpoint of the run in RUN."
            ),
            click.Option(["--recipe"], metavar="NAME", help="Settings of a chapter (chapter7-voc, ...)."),
            click.Option(["--twin"], type=_RUN, metavar="RUN", help="Start from this run's float network."),
            click.Option(
                ["--option", "network"],
                multiple=True,
                callback=own_options,
                metavar="NAME=VALUE",
                help="Of the detector's own builder, such as width=8.",
            ),
            *(_setting(name, kind, text) for name, (kind, text) in _SETTINGS.items()),
            *(flag(f.name, f.type, f.default) for f in fields(Options) if f.name not in _LEFT_OUT),
        ],
        help="""Train the detector NET on boxes: in full precision, then, with --scheme, its quantized twin.

        Under torchrun the same command runs data-parallel.""",
    )
)


@command.command(name="evaluate")
@click.argument("run", type=_RUN)
@click.option("--phase", type=click.Choice(["float", "quantized"]), help="Which network; usual: the last.")
@click.option("--data", metavar="DATA", help=f"Other data than the run's: {_DATA}")
@click.option("--split", help="Another split than the run's test split.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _evaluate(run: str, as_json: bool, **options: Any) -> None:
    """Score the finished run in folder RUN: VOC's and COCO's average precision, images a second."""
    with phases("detect evaluate") as phase:
        phase("loading torch")
        from fermatnet.model.detect.training.finished import evaluate_run

        phase("looking at the images")
        scores = evaluate_run(run, **options)
    if as_json:
        print(json.dumps(scores, indent=2))
        return
    line(f"mAP (VOC 2007, overlap 0.5)  {scores['map']:.4f}   by area {scores['map_area']:.4f}")
    for name, value in scores["classes"].items():
        line(f"  {name:24} {value:.4f}")
    coco = scores["coco"]
    line(f"COCO AP {coco['ap']:.4f}  AP50 {coco['ap50']:.4f}  AP75 {coco['ap75']:.4f}")
    speed = f"{scores['images_per_second']} a second, {scores['with_boxes_per_second']} with their boxes"
    line(f"{scores['images']} images; one at a time, the network takes {speed}")


@command.command(name="run")
@click.argument("source", type=InputDirectory(), metavar="RUN")
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--out", required=True, type=OutputDirectory(), metavar="DIR", help="Pictures, report.")
@click.option("--score", default=0.4, show_default=True, type=FiniteRange(0, 1), help="Least score shown.")
@click.option("--overlap", default=0.45, show_default=True, type=FiniteRange(0.01, 1), help="Of suppression.")
@click.option(
    "--check",
    is_flag=True,
    help="Of an exported network: compare onnxruntime's maps and the generated C's boxes with the "
    "reference's, and those of the simulated --verilog.",
)
@click.option(
    "--verilog",
    type=InputDirectory("interface.json", "no generated design"),
    metavar="DIR",
    help="Folder of `fermatnet verilog` of the exported network: its speed and resources for the page.",
)
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def _run(source: str, images: tuple[str, ...], out: str, force: bool, **options: Any) -> int:
    """Draw what RUN finds in IMAGES, files or folders of them: pictures, detections.json, report.html.

    RUN is a run folder, or a folder of `fermatnet detect export`: then the integers are the hardware's.
    Exit status 1 where --check finds a difference.
    """
    judge(out, source, *images, force=force)
    with phases("detect run") as phase:
        phase("loading torch")
        from fermatnet.model.detect.inference import image_files
        from fermatnet.report.detector import draw_detections

        report = draw_detections(source, image_files(images), out, force=force, progress=phase, **options)
    for row in report["exact"]:
        line(f"{row['engine']}: {row['equal']} of {row['images']} images equal to the reference")
    objects = sum(len(image["objects"]) for image in report["images"])
    line(f"{len(report['images'])} images, {objects} objects: {out}")
    return 0 if all(row["equal"] == row["images"] for row in report["exact"]) else 1


@command.command(name="export")
@click.argument("run", type=_RUN)
@click.option("--out", required=True, type=OutputDirectory(), metavar="DIR", help="Folder to write.")
@click.option("--score", default=0.01, show_default=True, type=FiniteRange(0, 1), help="Least score kept.")
@click.option("--overlap", default=0.45, show_default=True, type=FiniteRange(0.01, 1), help="Of suppression.")
@click.option(
    "--size",
    type=(click.IntRange(32, 4096), click.IntRange(32, 4096)),
    metavar="H W",
    help="Of the images, when not those of the training.",
)
@click.option("--force", is_flag=True, help="Replace a folder that is not empty.")
def _export(
    run: str, out: str, score: float, overlap: float, size: tuple[int, int] | None, force: bool
) -> None:
    """Export the quantized run in folder RUN: DIR/network.onnx with an output for each head's map,
    DIR/detect.json, and DIR/host with the C that turns the maps into boxes."""
    judge(out, run, force=force)
    with phases("detect export") as phase:
        phase("loading torch")
        from fermatnet.model.atomic import atomic_directory
        from fermatnet.model.detect.boxes.suppression import Rule
        from fermatnet.model.detect.host.program import write_program
        from fermatnet.model.detect.training.finished import export_run
        from fermatnet.model.network import save

        phase("turning the trained network into integers")
        net, plan = export_run(run, rule=Rule(score=score, overlap=overlap), size=size)
        with atomic_directory(out, force=force) as folder:
            save(net, folder / "network.onnx")
            plan.write(folder / "detect.json")
            write_program(plan, folder / "host")
    line(f"{run} -> {out}: {len(net.nodes)} layers, {len(net.outputs)} outputs, {len(plan.priors)} priors")
