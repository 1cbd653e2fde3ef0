"""Schemes of single layers as an option of training."""

import json

import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.options import Options, options
from fermatnet.model.train.recipe import with_recipe
from fermatnet.model.train.run import train

QUICK = {"epochs": 1, "float_epochs": 0, "batch": 256, "threads": 1, "progress": False}


def test_entries_and_files(tmp_path):
    file = tmp_path / "found.json"
    file.write_text(json.dumps({"map": {"block": "int8(4,4)", "conv1": "sign"}, "other": 1}))
    made = options("digits", "digits", {"map": ["*=pa(2,3)", str(file)]})
    assert made.map == ("*=pa(2,3)", "block=int8(4,4)", "conv1=sign")
    assert made.plain()["map"] == list(made.map) and Options().map == ()
    for text in ("{", "[]", '{"map": {}}', '{"map": ["conv1"]}', '{"map": {"conv1": 8}}'):
        file.write_text(text)
        with pytest.raises(InputError, match=r"found\.json"):
            options("digits", "digits", {"map": [str(file)]})


def test_in_a_recipe(tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'title = "t"\ndata = "digits"\nnetworks = ["digits"]\n'
        '[options]\nmap = ["block=int8(4,4)"]\n[source]\nmap = "mine"\n'
    )
    assert options("digits", "digits", with_recipe(str(recipe), {})).map == ("block=int8(4,4)",)


@pytest.mark.parametrize(
    "entry, words",
    [
        ("conv1", "PATTERN=SCHEME"),
        ("conv1=int9", "int9"),
        ("conv1=pa(3,5)", "weights of scheme pa"),
        ("conv1=int8(4,1)", "activations of scheme int8"),
        ("conv1=int8(4,4,1)", "edge bits must be"),
        ("conv1=thesis", "form of whole networks"),
    ],
)
def test_refusals(entry, words):
    with pytest.raises(InputError, match=words):
        Options(map=(entry,))


def test_a_pattern_without_a_layer_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr("fermatnet.model.train.run.Phase", None)
    with pytest.raises(InputError, match="did you mean block"):
        train("digits", "digits", tmp_path / "run", map=["blok=int8"], **QUICK)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="layers of its own"):
        train("aw-resnet18", "digits", tmp_path / "run", map=["*=int8"], **QUICK)


def test_the_last_entry_wins_and_a_run_remembers(tmp_path):
    entries = ["block=int8", "block.conv2=pa(2,3)", "block=int8(4,4)"]
    train("digits", "digits", tmp_path / "run", map=entries, **QUICK)
    model, config = load_run(tmp_path / "run")
    assert config["options"]["map"] == entries and model.block.conv2.quantizer.bits == 4
    with pytest.raises(InputError, match=r"other options \(map\)"):
        train("digits", "digits", tmp_path / "run", map=entries[:1], resume=True, **QUICK)


def test_the_twin_is_of_this_network(tmp_path):
    more = {"epochs": 1, "batch": 256, "threads": 1, "progress": False}
    narrow = {"width": 4}
    train("small-resnet", "digits", tmp_path / "twin", scheme="float", network=narrow, **more)
    with pytest.raises(InputError, match="run of small-resnet, not of digits"):
        train("digits", "digits", tmp_path / "run", twin=tmp_path / "twin", **more)
    with pytest.raises(InputError, match=r"twin's \S+ is 4x1x5x5, here it is"):
        train("small-resnet", "digits", tmp_path / "run", twin=tmp_path / "twin", **more)
    assert not (tmp_path / "run").exists()
    train("small-resnet", "digits", tmp_path / "run", twin=tmp_path / "twin", network=narrow, **more)
