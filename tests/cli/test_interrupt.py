"""Ctrl-C and a polite kill: status 130, one line, nothing half-written under a final name."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from fermatnet.model.network import save

from ..model.network.samples import digits_like


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_interrupted(number, tmp_path):
    net = digits_like(width=8)
    save(net, tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", np.zeros((60000, 1, 8, 8), np.uint8))
    words = [
        "run",
        str(tmp_path / "net.onnx"),
        "--input",
        str(tmp_path / "x.npy"),
        "--output",
        str(tmp_path / "y.npy"),
        "--engine",
        "reference",  # the packed engine would be done before the signal comes
    ]
    # A test run that a shell put into the background has SIGINT ignored, and would hand that down.
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "fermatnet.cli", *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert child.stderr is not None
    line = child.stderr.readline()  # the progress bar: it is at work
    time.sleep(0.3)
    child.send_signal(number)
    line += child.stderr.read()
    assert child.wait(timeout=30) == 130, line
    assert "fermatnet: interrupted" in line and "Traceback" not in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "x.npy"]


def test_an_interrupted_training_says_how_to_go_on(tmp_path):
    words = [
        "train",
        "tfc",
        "--data",
        "digits",
        "--out",
        str(tmp_path / "run"),
        "--epochs",
        "5000",
        "--threads",
        "1",
    ]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "fermatnet.cli", *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 100
    while not (tmp_path / "run" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    assert child.stderr is not None
    said = child.stderr.read()
    assert child.wait(timeout=60) == 130, said
    assert "the same command with --resume goes on" in said.splitlines()[-1] and "Traceback" not in said
