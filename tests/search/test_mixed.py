"""The search of mixed precision: its solver against all assignments, its prices against those of the tools it
leans on, a search that is stopped and goes on."""

import itertools
import json

import numpy as np
import pytest
import torch
from torch import nn

import fermatnet as fn
from fermatnet.model.errors import InputError
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.run import train
from fermatnet.search.explore.points import Wanted, predicted
from fermatnet.search.mixed import search
from fermatnet.search.mixed.costs import arithmetic, costs_of
from fermatnet.search.mixed.knapsack import Problem, solve
from fermatnet.search.mixed.picture import draw_front

TARGET = ("ecp5-85k", 20000, 100.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def by_hand(problem, limits):
    """The least loss of all assignments that keep the limits, or None."""
    groups, choices = problem.loss.shape
    kept = [
        problem.increase(chosen)
        for chosen in itertools.product(range(choices), repeat=groups)
        if (problem.total(chosen) <= np.array(limits) + 1e-9).all()
    ]
    return min((loss for loss in kept if np.isfinite(loss)), default=None)


def test_the_solver_is_exact():
    rng, none = np.random.default_rng(5), 0
    for _ in range(40):
        groups, choices, limits = rng.integers(1, 6), rng.integers(2, 5), rng.integers(1, 4)
        loss = rng.exponential(10.0 ** rng.integers(-4, 3), (groups, choices))
        loss[rng.random(loss.shape) < 0.1] = np.inf
        loss[:, 0] = np.where(np.isfinite(loss[:, 0]), loss[:, 0], 1.0)
        costs = rng.normal(0, 1000.0, (limits, groups, choices)).round()
        problem = Problem(loss, costs)
        bounds = costs.mean(2).sum(1) + rng.normal(0, 800, limits)
        chosen, wanted = solve(problem, bounds), by_hand(problem, bounds)
        none += wanted is None
        assert (chosen is None) == (wanted is None)
        if chosen is not None:
            assert (problem.total(chosen) <= bounds + 1e-6).all()
            assert problem.increase(chosen) == pytest.approx(wanted, rel=1e-6)
    assert 0 < none < 30
    with pytest.raises(InputError, match="group 1"):
        solve(Problem(np.array([[1.0], [np.inf]]), np.zeros((1, 2, 1))), [0])


@pytest.mark.parametrize("limit, wanted", [(11.0, 1), (10.9, 0), (1.9, None)])
def test_a_budget_is_kept_to_the_last_unit(limit, wanted):
    problem = Problem(np.array([[5.0, 1.0], [0.0, np.inf]]), np.array([[[1.0, 10.0], [1.0, 0.0]]]))
    assert solve(problem, [limit]) == (None if wanted is None else [wanted, 0])


def exported(weights, activations, how="int8"):
    """A small network with a 3x3 convolution between its first and last layer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 16, 3),
    )  # fmt: skip
    images = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8)
    scheme = fn.scheme("pa").map({"3": fn.scheme(how, weights=weights, activations=activations)})
    return fn.export(fn.quantize(model, scheme, (1, 8, 8), calibration=images))


def test_operations_and_bytes_by_hand():
    first, inner, last = 36 * 36 * 8 * 8, 16 * 6 * 36, 3 * 96
    for how, weights, activations, effort, bits in (
        ("int8", 4, 3, 4 * 3, 4),
        ("pa", 4, 5, 4 * 5, 3),
        ("pa", 2, 3, 2 * 3, 2),
        ("sign", 1, 1, 1, 1),
    ):
        found = arithmetic(exported(weights, activations, how))
        # the last layer reads five levels, the largest below 128: seven bits
        assert found["ace"] == first + inner * effort + last * 8 * 7, how
        assert found["bytes"] == (36 * 8 + 216 * bits + 288 * 8) / 8, how


def test_prices_are_the_compiler_s_and_kept_ones_the_same():
    store = {}
    for weights in (4, 8):
        net = exported(weights, weights)
        kept, fresh = costs_of(net, TARGET, store), costs_of(net, TARGET)
        assert kept == fresh
    point = predicted(net, "ecp5-85k", 100.0, Wanted(TARGET[1], "auto"))
    assert all(point[key] == kept[key] for key in ("luts", "ffs", "brams", "dsps", "cycles"))
    assert len(store) < 2 * len(net.nodes)  # the second network took some over
    with pytest.raises(InputError, match="cannot be met"):
        costs_of(net, ("ecp5-85k", 3, 100.0))


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    out = tmp_path_factory.mktemp("mixed") / "twin"
    train("digits", "digits", out, scheme="float", epochs=1, batch=256, threads=1, progress=False)
    return out


def luts(net, target, store):
    """In the place of the compiler's prediction: bytes and operations, quickly."""
    found = arithmetic(net)
    if target[1] == 1:
        raise InputError("too fast")
    return {
        "luts": found["ace"] / 1e4,
        "ffs": 0,
        "brams": 1,
        "dsps": 0,
        **found,
        "cycles": 4000,
        "external": [],
    }


def test_a_stopped_search_ends_the_same_and_its_map_trains(twin, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "costs_of", luts)
    told = {"choices": ["pa(4,5)", "sign"], "images": 64, "points": 4, "steps": 1}

    def stopping(number, row):
        if number == 6:
            raise Stop

    whole = search.search_mixed(twin, tmp_path / "whole", limits={"luts": 700}, **told)
    with pytest.raises(Stop):
        search.search_mixed(twin, tmp_path / "cut", limits={"luts": 700}, progress=stopping, **told)
    seen = []
    resumed = search.search_mixed(
        twin,
        tmp_path / "cut",
        limits={"luts": 700},
        resume=True,
        progress=lambda n, row: seen.append(n),
        **told,
    )
    assert {**resumed, "budget": 0} == {**whole, "budget": 0} and seen[0] == 7
    assert whole == json.loads((tmp_path / "whole/result.json").read_text())
    found = whole["found"]
    assert found["luts"] <= 700 and found["luts"] == pytest.approx(found["estimated"]["luts"])
    increases = [point["increase"] for point in whole["front"]]
    assert increases == sorted(increases, reverse=True) and len(increases) > 1
    assert whole["target"]["cycles"] == 4000 and whole["budget"]["training_steps"] == 7
    draw_front(whole, tmp_path / "front.svg")
    assert "digits at 4,000 cycles" in (tmp_path / "front.svg").read_text()

    wider = search.search_mixed(twin, tmp_path / "cut", limits={"bytes": 1}, resume=True, **told)
    assert wider["found"] is None and wider["map"] is None and wider["front"]
    with pytest.raises(InputError, match="another images"):
        search.search_mixed(
            twin, tmp_path / "cut", limits={"luts": 700}, resume=True, **told | {"images": 32}
        )

    train(
        "digits", "digits", tmp_path / "tuned", twin=twin, map=[str(tmp_path / "whole/result.json")],
        epochs=1, batch=256, threads=1, progress=False,
    )  # fmt: skip
    model, config = load_run(tmp_path / "tuned")
    words = dict(entry.split("=") for entry in config["options"]["map"])
    assert words == whole["map"] and "conv1" in config["scheme"]
    for name in ("conv1", "block.conv1", "block.conv2"):
        kind = {"sign": "SignWeight", "pa(4,5)": "PiecewiseWeight"}[words[name]]
        assert type(model.get_submodule(name).quantizer).__name__ == kind


@pytest.mark.parametrize(
    "more, words",
    [
        ({"limits": {}}, "needs a limit"),
        ({"limits": {"lut": 5}}, "no limit of 'lut'"),
        ({"limits": {"luts": -5}}, "0 or more"),
        ({"choices": ["pa"]}, "at least two"),
        ({"choices": ["pa", "xnor"]}, "xnor cannot be exported"),
        ({"choices": ["pa", "sign", "pa(4, 5)"]}, r"pa and pa\(4, 5\) are the same scheme"),
        ({"images": 1}, "1 of 1437 images are too few"),
        ({"target": "ice40-up5k-none"}, "ice40-up5k-none"),
        ({"cycles": 1}, "everywhere has no design: too fast"),
    ],
)
def test_refusals(twin, tmp_path, monkeypatch, more, words):
    monkeypatch.setattr(search, "costs_of", luts)
    with pytest.raises(InputError, match=words):
        search.search_mixed(twin, tmp_path / "out", **{"limits": {"luts": 5}, "images": 64, **more})
    assert not (tmp_path / "out").exists()
