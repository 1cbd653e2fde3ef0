"""``fermatnet run``: both engines, their explanation, and the note where nothing can be compiled."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fermatnet.model.network import run, save

from ..model.network.samples import everything


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    net = everything()
    save(net, folder / "net.onnx")
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 12, 12)).astype(np.uint8)
    np.save(folder / "x.npy", images)
    return folder, run(net, images)


def fermatnet_run(
    folder, *words: str, **environment: str
) -> tuple[subprocess.CompletedProcess, np.ndarray | None]:
    command = [
        sys.executable,
        "-P",
        "-m",
        "fermatnet.cli",
        "run",
        str(folder / "net.onnx"),
        "--input",
        str(folder / "x.npy"),
    ]
    command += ["--output", str(folder / "y.npy"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    outputs = np.load(folder / "y.npy") if done.returncode == 0 else None
    (folder / "y.npy").unlink(missing_ok=True)
    return done, outputs


@pytest.mark.parametrize(
    "words", [(), ("--engine", "reference"), ("--engine", "packed", "--threads", "2", "--batch", "2")]
)
def test_equal(files, words):
    folder, wanted = files
    done, outputs = fermatnet_run(folder, *words)
    assert done.returncode == 0, done.stderr
    assert outputs is not None and np.array_equal(outputs, wanted) and "note" not in done.stdout


def test_explained(files):
    folder, _ = files
    done, _ = fermatnet_run(folder, "--explain")
    assert (
        "stem" in done.stdout
        and "threads" not in done.stdout.splitlines()[0]
        and done.stdout.splitlines()[0].startswith("form ")
    )


def test_no_compiler(files, tmp_path):
    folder, wanted = files
    done, outputs = fermatnet_run(folder, PATH="/nowhere", CXX="", FERMATNET_CACHE=str(tmp_path))
    assert done.returncode == 0 and np.array_equal(outputs, wanted)
    assert done.stdout.splitlines()[0].startswith(
        "note: the numpy reference runs instead of the packed engine: no C++ compiler"
    )


def test_no_such_engine(files):
    done, _ = fermatnet_run(files[0], "--engine", "quick")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
