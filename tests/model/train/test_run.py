"""Training runs: exact resume after a kill, bad numbers named, run folders that say what is wrong with
them."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.network import run as run_network
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import digits
from fermatnet.model.train.loop import Diverged, Phase, accuracy
from fermatnet.model.train.optimizer import learning_rate
from fermatnet.model.train.options import Options, options
from fermatnet.model.train.run import export_run, load_run, train

QUICK = {"epochs": 2, "float_epochs": 2, "batch": 256, "threads": 1, "seed": 3, "ema": 0.9}


def weights(folder):
    return torch.load(folder / "quantized.pt", weights_only=True)["model"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "whole"
    summary = train("digits", "digits", out, progress=False, **QUICK)
    return out, summary


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


def test_exported_run_equals_the_model(finished):
    out, summary = finished
    model, _ = load_run(out)
    data = digits()
    net = export_run(out)
    integers = integer_logits(model, torch.from_numpy(data.test.images)).numpy()
    np.testing.assert_array_equal(run_network(net, data.test.images), integers)
    assert (integers.argmax(1) == data.test.labels).mean() == summary["test_accuracy"]
    assert net.meta["data_sha256"] == data.sha256 and net.meta["seed"] == "3"


KILLED = """
import os, sys
from fermatnet.model.train import loop
from fermatnet.model.train.run import train
inner = loop.Phase.run_epoch
def slow(self, tick=None):
    def mark(number):
        if self.name == sys.argv[2] and self.epoch == int(sys.argv[3]) and number == 3:
            print("here", flush=True)
            import time; time.sleep(60)
    return inner(self, mark)
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
        log.write('{"phase": "float", "epo')  # a line cut short by the kill
    assert not (out / "summary.json").exists()
    train("digits", "digits", out, progress=False, resume=True, **QUICK)
    whole, resumed = weights(finished[0]), weights(out)
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[key], resumed[key]) for key in whole)
    strip = [
        {k: v for k, v in json.loads(line).items() if k not in ("seconds", "images_per_second")}
        for line in (out / "metrics.jsonl").open()
    ]
    other = [
        {k: v for k, v in json.loads(line).items() if k not in ("seconds", "images_per_second")}
        for line in (finished[0] / "metrics.jsonl").open()
    ]
    assert strip == other


def test_another_seed_gives_other_weights(finished, tmp_path):
    train("digits", "digits", tmp_path / "other", progress=False, **{**QUICK, "seed": 4})
    a, b = weights(finished[0]), weights(tmp_path / "other")
    assert any(not torch.equal(a[key], b[key]) for key in a)


def test_run_folder_errors(finished, tmp_path):
    out, _ = finished
    with pytest.raises(InputError, match="not empty"):
        train("digits", "digits", out, progress=False, **QUICK)
    with pytest.raises(InputError, match=r"other options \(seed\)"):
        train("digits", "digits", out, progress=False, resume=True, **{**QUICK, "seed": 9})
    with pytest.raises(InputError, match="run of another net"):
        train("small-resnet", "digits", out, progress=False, resume=True, **QUICK)
    with pytest.raises(InputError, match="not a training run"):
        load_run(tmp_path)


def test_foreign_and_damaged_checkpoints(finished, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy)
    torch.save({"model": zoo.build("tfc").state_dict()}, copy / "quantized.pt")
    with pytest.raises(InputError, match="of another network"):
        load_run(copy)
    (copy / "quantized.pt").write_bytes(b"PK damaged")
    with pytest.raises(InputError, match="not a checkpoint or is damaged"):
        load_run(copy)
    # anything but plain tensors is refused, not executed
    torch.save({"model": os.system}, copy / "quantized.pt")
    with pytest.raises(InputError, match="not a checkpoint or is damaged"):
        load_run(copy)


def test_one_flipped_bit_of_a_weight_is_noticed(finished, tmp_path):
    """torch.load reads it without a word: the network would be another one."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy)
    blob = bytearray((copy / "quantized.pt").read_bytes())
    weights = torch.load(copy / "quantized.pt", weights_only=True)["model"]
    largest = max((tensor for tensor in weights.values() if tensor.dtype == torch.float32), key=torch.numel)
    place = blob.index(largest.numpy().tobytes())
    blob[place + 5] ^= 4
    (copy / "quantized.pt").write_bytes(blob)
    assert not torch.equal(
        torch.load(copy / "quantized.pt", weights_only=True)["model"][
            next(k for k, v in weights.items() if v is largest)
        ],
        largest,
    )
    with pytest.raises(InputError, match=r"quantized\.pt is damaged: the checksum of .* does not match"):
        load_run(copy)
    (copy / "quantized.pt").write_bytes(b"")
    with pytest.raises(InputError, match="not a checkpoint or is damaged"):
        load_run(copy)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data", None, "config.json is damaged: it has no data"),
        ("shape", [1, 8], "config.json is damaged: shape must hold 3 values"),
        ("options", {"ema": []}, "config.json is damaged: options.ema must be float"),
        ("options", {"milestones": ["a"]}, "config.json is damaged: options.milestones.0 must be float"),
    ],
)
def test_a_damaged_config_is_named(finished, tmp_path, key, value, words):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy)
    config = json.loads((copy / "config.json").read_text())
    if value is None:
        del config[key]
    else:
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=words):
        load_run(copy)


def phase(model, **how):
    chosen = options("digits", "digits", {"batch": 128, **how})
    return Phase("quantized", model, Batches(digits().train, 128, 0), chosen, epochs=1, rate=chosen.lr)


def test_bad_numbers_stop_with_batch_and_layer():
    net = zoo.build("digits", how=scheme("float"))
    run = phase(net)
    with torch.no_grad():
        net.block.conv1.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(Diverged, match=r"epoch 1, batch 1: parameter block.conv1.weight is not finite"):
        run.run_epoch()
    net = zoo.build("digits", how=scheme("float"))
    run = phase(net)
    net.act1[0].forward = lambda x: x / 0.0
    with pytest.raises(Diverged, match=r"batch 1: the output of layer act1.0 is not finite"):
        run.run_epoch()


def test_loss_falls_and_smoothing_distillation_and_optimizers_work():
    teacher = zoo.build("digits", how=scheme("float"))
    for optimizer, rate in (("sgd", 0.05), ("adam", 5e-3), ("adamw", 5e-3)):
        torch.manual_seed(0)
        run = phase(
            zoo.build("digits", how=scheme("pa")), optimizer=optimizer, lr=rate, smoothing=0.1, distill=0.2
        )
        run.teacher, run.epochs = teacher.eval(), 3
        losses = [run.run_epoch()["loss"] for _ in range(3)]
        assert losses[-1] < losses[0]
    assert 0 <= accuracy(run.model, digits().test) <= 1


def test_schedules():
    how = Options(warmup=0.1, schedule="cosine")
    values = [learning_rate(how, step, 100) for step in range(100)]
    assert values[0] == pytest.approx(0.1) and max(values) == pytest.approx(1.0) and values[-1] < 0.01
    step = [learning_rate(Options(schedule="step", warmup=0.0), at, 200) for at in (0, 59, 60, 120, 160, 199)]
    # chapters 6 and 7: x0.2 at 60, 120, 160 of 200
    assert step == pytest.approx([1, 1, 0.2, 0.04, 0.008, 0.008])
    cycle = [learning_rate(Options(schedule="one-cycle"), at, 100) for at in range(100)]
    assert cycle[0] < 0.05 and max(cycle) > 0.999 and cycle[-1] < 0.01


@pytest.mark.parametrize(
    "given, words",
    [
        ({"epochs": -1}, "negative"),
        ({"batch": 1}, "at least 2"),
        ({"optimizer": "lion"}, "sgd, adam"),
        ({"colour": 1}, "no option 'colour'"),
        ({"schedule": "x"}, "schedule must be"),
        ({"ema": 1.0}, "ema must"),
    ],
)
def test_bad_options(given, words):
    with pytest.raises(InputError, match=words):
        options("digits", "digits", given)


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
    result = subprocess.run(
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
    assert result.returncode == 0, result.stderr[-2000:]
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (
        0 <= summary["test_accuracy"] <= 1
        and json.loads((tmp_path / "run/config.json").read_text())["processes"] == 2
    )
    assert time.time() - started < 240


def test_a_run_that_comes_to_nothing_leaves_nothing(tmp_path, monkeypatch):
    out = tmp_path / "a" / "b"
    for given in ({"device": "cuda:77"}, {"device": "meta:x"}, {"scheme": "pa", "weights": 3}):
        with pytest.raises(InputError):
            train("digits", "digits", out, progress=False, **QUICK | given)
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
