"""fermatnet detect: a run, its scores, drawings and export, and one line for what cannot be."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from fermatnet.cli.failure import explain
from fermatnet.cli.main import cli

from ..model.detect.sets import make_voc

SMALL = ["--height", "64", "--width", "96", "--option", "width=4", "--batch", "2", "--threads", "1"]


def call(*words):
    """(exit status, standard output, the line on standard error)."""
    got = CliRunner().invoke(cli, [str(word) for word in words])
    if got.exception and not isinstance(got.exception, SystemExit):
        message, status = explain(got.exception)
        return status, got.stdout, " ".join(message.split())
    return got.exit_code, got.stdout, got.stderr


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_voc(tmp_path_factory.mktemp("boxes") / "v", (3, 2))


def checked_by_others(exported, images, out):
    """onnxruntime's maps and the boxes of C are the reference's, and the page says so."""
    if shutil.which("cc") is None or shutil.which("make") is None:
        assert "called cc" in call("detect", "run", exported, images, "--out", out, "--check")[2]
        return
    status, shown, _ = call("detect", "run", exported, images, "--out", out, "--check")
    assert status == 0 and shown.count("2 of 2 images equal to the reference") == 2
    page = (out / "report.html").read_text()
    assert "Who computes the same" in page and "DIFFERENT" not in page


def test_from_boxes_to_integers(root, tmp_path):
    run, exported = tmp_path / "run", tmp_path / "made"
    words = [
        "train",
        "ssdlite-small",
        "--data",
        f"voc:{root}",
        "--classes",
        "wide,high",
        "--out",
        run,
        *SMALL,
    ]
    quick = ["--scheme", "pa", "--float-epochs", "2", "--epochs", "1"]
    status, shown, _ = call("detect", *words, *quick)
    assert status == 0 and "quantized  mAP" in shown and (run / "curves.png").is_file()
    status, shown, _ = call("detect", "evaluate", run, "--json")
    assert status == 0
    scores = json.loads(shown)
    assert scores["objects"] == 5 and set(scores["classes"]) == {"wide", "high"}
    assert call("detect", "export", run, "--out", exported)[0] == 0
    names = {path.name for path in exported.iterdir()} | {path.name for path in (exported / "host").iterdir()}
    assert names == {"network.onnx", "detect.json", "host", "boxes.c", "boxes.h", "run.c", "Makefile"}
    for source in (run, exported):
        out = tmp_path / f"drawn-{source.name}"
        images = root / "JPEGImages"
        assert call("detect", "run", source, images, "--out", out, "--score", "0.05")[0] == 0
        rows = json.loads((out / "detections.json").read_text())
        assert set(rows) == {"im0.png", "im1.png"} and (out / "im0.png").is_file()
        page = (out / "report.html").read_text()
        assert page.count("data:image/jpeg;base64,") == 2 and "im1.png" in page
    status, _, error = call("detect", "run", run, images, "--out", tmp_path / "no", "--check")
    assert status == 2 and "need a folder of fermatnet detect export" in error
    assert not (tmp_path / "no").exists()
    checked_by_others(exported, images, tmp_path / "checked")
    by_both = [json.loads((tmp_path / f"drawn-{n}" / "detections.json").read_text()) for n in ("run", "made")]
    first = [np.array([row["box"] for row in by_image["im0.png"]]) for by_image in by_both]
    if len(first[0]) == len(first[1]) > 0:  # the float functions and the integers on the same maps
        assert np.abs(np.sort(first[0], 0) - np.sort(first[1], 0)).max() < 1


@pytest.mark.parametrize(
    "words, line",
    [
        (["train", "ssdlite-smal", "--data", "voc:V"], "did you mean ssdlite-small"),
        (["train", "small-resnet", "--data", "voc:V"], "is no detector: train it with fermatnet train"),
        (["train", "ssdlite-small", "--data", "digits"], "boxes come from voc:DIR"),
        (["train", "ssdlite-small", "--data", "voc:V"], "is none of the classes aeroplane"),
        (["train", "ssdlite-small", "--data", "voc:V", "--height", "8"], "32<=x<=4096"),
        (
            ["train", "ssdlite-small", "--data", "voc:V", "--recipe", "no"],
            "no recipe is called 'no'; there are bccd",
        ),
        (["train", "aw-ssdlite-small", "--data", "voc:V", "--classes", "wide,high", "--scheme", "pa"], "AW"),
        (
            ["train", "aw-fasterrcnn-resnet101-fpn", "--data", "voc:V", "--classes", "wide,high"],
            "aw-fasterrcnn-resnet101-fpn is not trained by fermatnet, only single-shot detectors are",
        ),
    ],
)
def test_one_line_for_what_cannot_be(root, tmp_path, words, line):
    arguments = [word.replace("voc:V", f"voc:{root}") for word in words]
    status, _, error = call("detect", *arguments, "--out", tmp_path / "run")
    assert status == 2 and line in error and not (tmp_path / "run").exists()


def test_a_classifier_does_not_train_boxes(tmp_path):
    status, _, error = call("train", "ssd300-vgg16", "--data", "digits", "--out", tmp_path / "run")
    assert status == 2 and "train it with fermatnet detect train" in error
    words = ("fasterrcnn-resnet101-fpn", "--data", "digits", "--out", tmp_path / "run")
    status, _, error = call("train", *words)
    assert status == 2 and "only single-shot detectors are" in error
