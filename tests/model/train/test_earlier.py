"""A run that goes on from the quantized network of an earlier one."""

import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.run import train

MORE = {"epochs": 1, "batch": 256, "threads": 1, "progress": False}
NARROW = {"width": 4}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    out = tmp_path_factory.mktemp("earlier") / "first"
    train("small-resnet", "digits", out, network=NARROW, float_epochs=1, **MORE)
    return out


def test_it_starts_where_the_other_ended(tmp_path, first):
    out = tmp_path / "second"
    # at a rate of next to nothing the weights stay; statistics of norms move
    summary = train(
        "small-resnet", "digits", out, start=first, network=NARROW, lr=1e-30, level_lr=1e-30, **MORE
    )
    assert set(summary["accuracy"]) == {"float", "quantized"}
    (then, old), (now, config) = load_run(first), load_run(out)
    assert config["start"] == config["twin"] == str(first) and old["start"] is None
    for name, value in then.named_parameters():
        torch.testing.assert_close(dict(now.named_parameters())[name], value)
    third = tmp_path / "third"  # the teacher stays the same through a chain
    train("small-resnet", "digits", third, start=out, network=NARROW, **MORE)
    assert load_run(third)[1]["twin"] == str(first)
    with pytest.raises(InputError, match="run of another start"):
        train("small-resnet", "digits", third, start=first, network=NARROW, resume=True, **MORE)


def test_it_is_the_same_network_in_the_same_layers(tmp_path, first):
    out = tmp_path / "second"
    with pytest.raises(InputError, match="another network: small-resnet, not digits"):
        train("digits", "digits", out, start=first, **MORE)
    with pytest.raises(InputError, match=r"another scheme: \S+, not int8"):
        train("small-resnet", "digits", out, start=first, network=NARROW, scheme="int8", **MORE)
    with pytest.raises(InputError, match=r"another network options: \{'width': 4\}, not \{\}"):
        train("small-resnet", "digits", out, start=first, **MORE)
    with pytest.raises(InputError, match="a full-precision run has none"):
        train("small-resnet", "digits", out, start=first, network=NARROW, scheme="float", **MORE)
    assert not out.exists()
