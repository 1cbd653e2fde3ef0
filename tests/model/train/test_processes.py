"""Which device a process of several takes."""

import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.train.processes import add_up, agree, local_device, world_size


def test_devices_of_one_and_of_several(monkeypatch):
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert world_size() == (5, 8)
    assert local_device("cpu", 8) == "cpu" and local_device("cuda:3", 1) == "cuda:3" and chosen == []
    assert local_device("cuda", 8) == "cuda:1" and chosen == [1]
    with pytest.raises(InputError, match="8 processes cannot share device cuda:0: give --device cuda"):
        local_device("cuda:0", 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="process 1 of this machine finds only 1 cuda devices"):
        local_device("cuda", 8)


def test_one_process_agrees_with_itself():
    assert agree(True, 1, "cpu") and not agree(False, 1, "cpu")
    counts = torch.tensor([1.0, 2.0])
    assert add_up(counts, 1, torch.device("cpu")) is counts
