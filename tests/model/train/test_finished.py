"""Finished runs: folders and checkpoints that are damaged or foreign are named, exports equal the model."""

import json
import os

import numpy as np
import pytest
import torch

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.network import run as run_network
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.train.data import digits
from fermatnet.model.train.finished import export_run, load_run
from fermatnet.model.train.run import train
from tests.model.train.conftest import QUICK


def test_exported_run_equals_the_model(finished):
    out, summary = finished
    model, _ = load_run(out)
    data = digits()
    net = export_run(out)
    integers = integer_logits(model, torch.from_numpy(data.test.images)).numpy()
    np.testing.assert_array_equal(run_network(net, data.test.images), integers)
    assert (integers.argmax(1) == data.test.labels).mean() == summary["test_accuracy"]
    assert net.meta["data_sha256"] == data.sha256 and net.meta["seed"] == "3"


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
