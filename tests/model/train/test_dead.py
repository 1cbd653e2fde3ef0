"""Dead channels: found, told, and brought back; nothing else is touched."""

import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.train import run
from fermatnet.model.train.dead import dead_channels, dead_note, revive
from fermatnet.model.train.run import train


def network(dead: tuple[int, ...] = (1, 4)) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3),
        nn.Flatten(),
        nn.Linear(5, 2),
    )
    with torch.no_grad():
        model[0].weight[list(dead)] = 1e-12
        model[1].running_var[list(dead)] = 1e-40
        model[1].weight.copy_(torch.arange(6) + 1.0)
        model[3].weight[:, list(dead)] = 0.0
    return model


def test_found_and_told():
    assert dead_channels(network()) == {"1": [1, 4]}
    assert dead_note(network()) == "channels that never vary: 2 of 1; --revive gives them fresh weights"
    assert not dead_channels(network(())) and not dead_note(network(()))


def test_revived():
    """Fresh weights where there were none, on both sides; all others bit for bit."""
    model, before = network(), {k: v.clone() for k, v in network().state_dict().items()}
    assert revive(model, 3) == 2
    after = model.state_dict()
    live = [0, 2, 3, 5]
    assert torch.equal(after["0.weight"][live], before["0.weight"][live])
    assert torch.equal(after["3.weight"][:, live], before["3.weight"][:, live])
    assert torch.equal(after["5.weight"], before["5.weight"])
    std = before["0.weight"][live].std()
    assert 0.6 * std < after["0.weight"][[1, 4]].std() < 1.5 * std
    assert (
        0.15 * before["3.weight"].std() < after["3.weight"][:, [1, 4]].std() < 0.6 * before["3.weight"].std()
    )
    assert after["1.weight"].tolist() == [1, 3, 3, 4, 3, 6]  # the lower median of 1, 3, 4, 6
    assert not dead_channels(model) and revive(model, 3) == 0
    again = network()
    revive(again, 3)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), after.values(), strict=True))


def test_refused(tmp_path):
    for wrong in ({"scheme": "float"}, {"epochs": 0, "float_epochs": 1}):
        with pytest.raises(InputError, match="reviving channels is of a quantized network"):
            train("tfc", "digits", tmp_path / "run", progress=False, revive=True, **wrong)


def test_trained(tmp_path, monkeypatch):
    """A run from a twin with dead channels names them and leaves them; with the option they live, and nothing
    is said."""
    options = {"progress": False, "threads": 1, "epochs": 1}
    train("tfc", "digits", tmp_path / "twin", scheme="float", float_epochs=1, **options)
    path = tmp_path / "twin" / "float.pt"
    kept = torch.load(path, weights_only=True)
    weights = kept["model"]
    before, norm, behind = "hidden.dense0.weight", "hidden.act0.0", "hidden.dense1.weight"
    dead = [3, 7]
    weights[before][dead], weights[behind][:, dead] = 0.0, 0.0
    weights[f"{norm}.running_var"][dead] = 0.0
    torch.save(kept, path)
    said: list[str] = []
    monkeypatch.setattr(run, "tell", lambda _, note: said.append(note) if note else None)
    for revived in (False, True):
        said.clear()
        out = tmp_path / f"run{revived}"
        train("tfc", "digits", out, twin=tmp_path / "twin", revive=revived, **options)
        after = torch.load(out / "quantized.pt", weights_only=True)["model"]
        assert bool(after[before][dead].any()) is revived
        assert bool(after[behind][:, dead].any()) is revived
        assert said == (
            [] if revived else [f"channels that never vary: 2 of {norm}; --revive gives them fresh weights"]
        )
