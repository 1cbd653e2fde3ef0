"""Users' networks: a fast part of the table here, all of it by ``python -m fermatnet.bench.users``."""

import pytest
import torch

from fermatnet.bench.users import check as users
from fermatnet.bench.users.networks import NETWORKS

FAST = {
    "resnet, zero channels": "pa",
    "autoencoder": "int8",
    "shufflenet": "pa",
    "shufflenet v2": "int8",
    "u-net, transposed": "pa",
    "u-net, bilinear": "pa",
    "camera and readings": "int8",
    "detector, two heads": "int8",
    "ecg, signed 12 bits": "pa",
    "table, argmax": "int8",
    "mobilenet v3": "pa",
    "super-resolution": "int8",
}


@pytest.mark.parametrize("name", FAST)
def test_equal_everywhere(name):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    row = users.check(name, FAST[name])
    assert not row.problem and row.layers
    assert len(NETWORKS) >= 20


def test_a_difference_is_a_problem(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(users, "integer_logits", lambda made, images: torch.zeros(len(images), 1))
    assert users.check("table, argmax", "int8").problem == "integer mode differs from the reference"
