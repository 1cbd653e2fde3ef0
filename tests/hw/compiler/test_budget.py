"""The fastest design whose predicted tables stay within a number of LUTs."""

import json

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.hw.compiler import budget, folding
from fermatnet.hw.compiler.budget import plan_within
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import layers_for, least_beats
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.errors import InputError


@pytest.fixture(scope="module")
def net():
    return pa_resnet((1, 4, 4), (2, 4), (1, 1), seed=3, classes=4)


@pytest.mark.parametrize("seed", range(12))
def test_the_search_finds_the_fastest_of_all(net, monkeypatch, seed):
    """Against every period, with a prediction that strays from the formula by up to a third, falling as that
    falls.
    """
    layers = layers_for(net, "xc7")
    periods = folding.periods(layers, least_beats(net))
    costs = [
        folding.total_cost(layers, folding.fold_for_cycles(layers, p, least_beats(net))) for p in periods
    ]
    rng = np.random.default_rng(seed)
    strayed = np.minimum.accumulate(
        np.array(costs) * rng.uniform(0.67, 1.5, len(costs)) * rng.uniform(0.67, 1.5)
    )
    tried = []

    def predict(search, at):
        tried.append(at)
        return at, float(strayed[at])

    monkeypatch.setattr(budget._Search, "_predict", predict)
    for limit in (strayed[0], strayed[-1], *rng.uniform(strayed[-1], strayed[0], 6)):
        tried.clear()
        found = plan_within(net, float(limit), "xc7")
        assert found == next(at for at in range(len(periods)) if strayed[at] <= limit)
        assert len(tried) <= budget.PROBES + 1
    with pytest.raises(InputError, match=r"the smallest (design is predicted to take|network takes about)"):
        plan_within(net, float(strayed[-1]) - 1, "xc7")


def test_the_whole_design_is_within(net):
    known = {}
    made = plan_within(net, 2000, "xc7", known=known)
    again, fresh = (resources_layers.by_layer(made, "xc7", known=kept) for kept in (known, None))
    assert again == fresh
    assert 1000 < resources_layers.total(fresh).luts <= 2000


def test_interface_says_what_was_promised(net, tmp_path):
    said: list[str] = []
    described = generate(net, tmp_path / "hw", luts=6000, progress=said.append)
    assert described["resources"]["total"]["luts"] <= 6000 and any("trying" in words for words in said)
    assert json.loads((tmp_path / "hw" / "interface.json").read_text()) == described
    rough = generate(net, tmp_path / "ice", luts=6000, device="ice40-hx8k")
    assert "resources" not in rough


def test_hopeless_budgets_are_refused_at_once(net, monkeypatch):
    monkeypatch.setattr(budget._Search, "_predict", None)  # not even one prediction
    with pytest.raises(InputError, match="50 LUTs cannot be met: the smallest network takes about"):
        plan_within(net, 50, "ecp5-85k")
