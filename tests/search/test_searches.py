"""The two searches as commands: small, stopped in the middle, resumed to the same end, their budget told."""

import json

import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.train.run import train
from fermatnet.model.zoo import build
from fermatnet.search.autorecon import search_autorecon
from fermatnet.search.nasb import search_nasb

NASB = {"depth": 10, "width": 2, "epochs": 3, "steps": 2, "batch": 16, "warmup": 1, "price": "bits"}
AUTORECON = {"width": 2, "epochs": 3, "weight_steps": 2, "alpha_steps": 1, "batch": 4}


class Stop(Exception):
    pass


def stopping(epoch, row):
    if epoch == 1:
        raise Stop


def without_times(result):
    return {key: value for key, value in result.items() if key != "budget"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_nasb_resumes_to_the_same_cells_and_they_build(tmp_path):
    whole = search_nasb("digits", tmp_path / "whole", price_weight=0.5, **NASB)
    with pytest.raises(Stop):
        search_nasb("digits", tmp_path / "cut", price_weight=0.5, progress=stopping, **NASB)
    resumed = search_nasb("digits", tmp_path / "cut", price_weight=0.5, resume=True, **NASB)
    assert without_times(resumed) == without_times(whole)
    assert whole == json.loads((tmp_path / "whole/result.json").read_text())
    budget = whole["budget"]
    assert (budget["weight_steps"], budget["architecture_steps"], budget["device"]) == (6, 4, "cpu")
    assert budget["seconds"] > 0 and budget["images"] == 192
    build("nasb-resnet10-2", genotype=json.dumps(whole["genotype"]), classes=10, input_shape=(1, 8, 8))
    with pytest.raises(InputError, match="another seed"):
        search_nasb("digits", tmp_path / "cut", price_weight=0.5, resume=True, seed=9, **NASB)
    with pytest.raises(InputError, match="holds no search to resume"):
        search_nasb("digits", tmp_path / "none", resume=True, **NASB)


def test_autorecon_resumes_to_the_same_generator_and_says_how_decided_it_is(tmp_path):
    teacher = tmp_path / "teacher"
    train("digits", "digits", teacher, scheme="float", epochs=1, batch=256, threads=1, progress=False)
    whole = search_autorecon(teacher, tmp_path / "whole", **AUTORECON)
    with pytest.raises(Stop):
        search_autorecon(teacher, tmp_path / "cut", progress=stopping, **AUTORECON)
    resumed = search_autorecon(teacher, tmp_path / "cut", resume=True, **AUTORECON)
    assert without_times(resumed) == without_times(whole)
    assert len(whole["choice"]) == 33 == len(whole["operations"]) and whole["macs"] > 0
    # three steps of alpha decide nothing, and the result says so
    assert abs(whole["mean_largest_probability"] - whole["mean_uniform_probability"]) < 0.05
    assert whole["budget"]["architecture_steps"] == 3
