"""``fermatnet board``, ``host`` and ``soc``: lists, bad input in one line, files that appear."""

import json

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.network import save

from .test_main import fermatnet


@pytest.fixture(scope="module")
def built_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    save(pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4), folder / "net.onnx")
    np.save(folder / "x.npy", np.zeros((2, 1, 4, 4), np.uint8))
    done = fermatnet(
        "board",
        folder / "net.onnx",
        "--board",
        "tangnano9k",
        "--out",
        folder / "b",
        "--no-bitstream",
        "--cycles",
        600,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_list():
    done = fermatnet("board", "--list")
    assert done.returncode == 0 and done.stderr == ""
    for name in ("ulx3s-12f", "orangecrab", "icebreaker", "tangnano20k", "arty-a7-35", "colorlight-i5"):
        assert name in done.stdout


def test_a_folder_without_bitstream(built_folder):
    description = json.loads((built_folder / "b" / "board.json").read_text())
    assert (
        description["board"] == "tangnano9k"
        and (built_folder / "b" / "verilog" / "fermatnet_board.v").is_file()
    )
    assert (built_folder / "b" / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("board",), "give NETWORK (or --list)"),
        (("board", "net.onnx", "--board", "de0", "--out", "o"), "board must be one of ulx3s-12f"),
        (("board", "net.onnx", "--board", "no.toml", "--out", "o"), "no.toml: no such file"),
        (("board", "net.onnx", "--board", "ulx3s"), "give --out DIR"),
        (("board", "net.onnx", "--board", "ulx3s", "--out", "b"), "b is not empty"),
        (
            ("board", "net.onnx", "--board", "icebreaker", "--out", "o", "--baud", "12000000"),
            "makes 12000000 baud: take a lower baud rate",
        ),
        (("host", "b", "--port", "/dev/nothing"), "port /dev/nothing cannot be opened"),
        (("host", ".", "--port", "sim"), "no board's files"),
        (("host", "b", "--port", "sim", "--input", "x.npy"), "--input and --output go together"),
        (("soc", ".", "--out", "o"), "no generated design"),
    ],
)
def test_bad_input_is_one_line(built_folder, words, said):
    done = fermatnet(*words, cwd=built_folder)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") <= 1 and not (built_folder / "o").exists()


def test_images_are_judged_before_a_board_is_waited_for(built_folder, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 7), np.uint8))
    words = (
        "--port",
        "/dev/nothing",
        "--input",
        str(tmp_path / "x.npy"),
        "--output",
        str(tmp_path / "y.npy"),
    )
    done = fermatnet("host", "b", *words, cwd=built_folder)
    assert done.returncode == 2 and "images must have shape" in done.stderr
    assert not (tmp_path / "y.npy").exists()
