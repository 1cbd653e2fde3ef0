"""Training runs: exact resume after a kill, bad numbers named, run folders that say what is wrong with
them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.train.options import options
from fermatnet.model.train.run import train
from tests.model.train.conftest import QUICK

TIMES = ("seconds", "images_per_second", "waiting")


def weights(folder):
    return torch.load(folder / "quantized.pt", weights_only=True)["model"]


def test_run_folder(finished):
    out, summary = finished
    assert {path.name for path in out.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "checkpoint.pt",
        "float.pt",
        "quantized.pt",
        "summary.json",
        "curves.png",
    }
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        ("float", 1),
        ("float", 2),
        ("quantized", 1),
        ("quantized", 2),
    ]
    assert json.loads((out / "summary.json").read_text()) == summary
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert set(summary["accuracy"]) == {"float", "quantized"} and summary["test_images"] == 360


KILLED = """
import os, sys
from fermatnet.model.train import loop
from fermatnet.model.train.run import train
inner = loop.Phase.run_epoch
def slow(self, tick=None, save=None):
    def mark(number):
        if self.name == sys.argv[2] and self.epoch == int(sys.argv[3]) and number == 3:
            print("here", flush=True)
            import time; time.sleep(60)
    return inner(self, mark, save)
loop.Phase.run_epoch = slow
train("digits", "digits", sys.argv[1], progress=False, resume=True,
      epochs=2, float_epochs=2, batch=256, threads=1, seed=3, ema=0.9)
"""


@pytest.mark.parametrize("phase, epoch", [("quantized", 1)])
def test_a_killed_run_resumes_to_the_same_weights(finished, tmp_path, phase, epoch):
    out = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out), phase, str(epoch)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None and process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (out / "metrics.jsonl").open("a") as log:
        late = {"phase": "quantized", "epoch": 2, "loss": 0.0, "accuracy": 0.0, "lr": 0.0, "seconds": 0.0}
        log.write(json.dumps(late) + "\n")  # of an epoch whose checkpoint was not written any more
        log.write('{"phase": "float", "epo')  # a line cut short by the kill
    assert not (out / "summary.json").exists()
    train("digits", "digits", out, progress=False, resume=True, **QUICK)
    whole, resumed = weights(finished[0]), weights(out)
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[key], resumed[key]) for key in whole)
    strip = [
        {k: v for k, v in json.loads(line).items() if k not in TIMES}
        for line in (out / "metrics.jsonl").open()
    ]
    other = [
        {k: v for k, v in json.loads(line).items() if k not in TIMES}
        for line in (finished[0] / "metrics.jsonl").open()
    ]
    assert strip == other


def test_another_seed_gives_other_weights(finished, tmp_path):
    train("digits", "digits", tmp_path / "other", progress=False, **{**QUICK, "seed": 4})
    a, b = weights(finished[0]), weights(tmp_path / "other")
    assert any(not torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    "bad, words",
    [
        ({"epochs": -1}, "negative"),
        ({"batch": 1}, "at least 2"),
        ({"optimizer": "lion"}, "sgd, adam"),
        ({"colour": 1}, "no option 'colour'"),
        ({"schedule": "x"}, "schedule must be"),
        ({"ema": 1.0}, "ema must"),
    ],
)
def test_bad_options(bad, words):
    with pytest.raises(InputError, match=words):
        options("digits", "digits", bad)


def test_unknown_network_and_scheme(tmp_path):
    for net, how in (("nonet", "pa"), ("digits", "nope")):
        with pytest.raises(InputError):
            train(net, "digits", tmp_path / "x", progress=False, scheme=how, epochs=1)


DISTRIBUTED = """
import sys
from fermatnet.model.train.run import train
train("digits", "digits", sys.argv[1], progress=False, epochs=1, float_epochs=1, batch=256, threads=1)
"""


@pytest.mark.slow
def test_two_processes_write_one_run(tmp_path):
    script = tmp_path / "go.py"
    script.write_text(DISTRIBUTED)
    started = time.time()
    completed = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            str(script),
            str(tmp_path / "run"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert completed.returncode == 0, completed.stderr[-2000:]
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (
        0 <= summary["test_accuracy"] <= 1
        and json.loads((tmp_path / "run/config.json").read_text())["processes"] == 2
    )
    assert time.time() - started < 240


def test_a_run_that_comes_to_nothing_leaves_nothing(tmp_path, monkeypatch):
    out = tmp_path / "a" / "b"
    for changes in ({"device": "cuda:77"}, {"device": "meta:x"}, {"scheme": "pa", "weights": 3}):
        with pytest.raises(InputError):
            train("digits", "digits", out, progress=False, **QUICK | changes)
        assert list(tmp_path.iterdir()) == []
    from fermatnet.model.train import run as module

    def burst(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.RunFolder, "set_metrics", burst)  # the first epoch cannot be kept
    with pytest.raises(OSError, match="No space left"):
        train("digits", "digits", out, progress=False, **QUICK)
    assert list(tmp_path.iterdir()) == []
    out.mkdir(parents=True)
    with pytest.raises(OSError, match="No space left"):
        train("digits", "digits", out, progress=False, **QUICK)
    assert out.is_dir() and list(out.iterdir()) == []
