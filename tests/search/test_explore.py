"""Exploring: the front is one, numbers do not depend on how the work is spread, a chosen design generates."""

import dataclasses
import random

import numpy as np
import pytest

from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.errors import InputError
from fermatnet.model.network.nodes import PiecewiseConv
from fermatnet.report.explore import render
from fermatnet.search.explore import front, points
from fermatnet.search.explore.front import COSTS, explore, make, pareto
from fermatnet.search.explore.points import Wanted, may_fit, saves

DEVICE = "xc7z020"


@pytest.fixture(scope="module")
def net():
    return pa_resnet((1, 4, 4), (2,), (1,), seed=3, classes=4)


@pytest.fixture(scope="module")
def found(net):
    return explore(net, DEVICE, count=4, jobs=1)


def test_front_by_brute_force():
    rng = random.Random(0)
    points = [{key: rng.randrange(6) for key in COSTS} for _ in range(300)]
    values = {tuple(point[key] for key in COSTS) for point in points}

    def beaten(value):
        return any(
            other != value and all(a <= b for a, b in zip(other, value, strict=True)) for other in values
        )

    expected = sorted(value for value in values if not beaten(value))
    assert [tuple(point[key] for key in COSTS) for point in pareto(points)] == expected


def test_points_fit_and_are_numbered(found):
    assert found["fits"] and [point["number"] for point in found["front"]] == list(
        range(1, len(found["front"]) + 1)
    )
    for point in found["front"]:
        assert all(point[key] <= found["capacity"][key] for key in found["capacity"])
        assert point["luts"] >= sum(layer["luts"] for layer in point["layers"]) * 0.9


def test_what_does_not_fit_is_never_on_the_front(net, found, monkeypatch):
    """A design of the front that is said not to fit is among the others."""
    whole, point = front.predicted, found["front"][-1]

    def predicted(*wanted):
        one = whole(*wanted)
        return one and {**one, "fits": one["luts"] != point["luts"]}

    monkeypatch.setattr(front, "predicted", predicted)
    without = explore(net, DEVICE, count=4, jobs=1)
    assert point["luts"] not in [one["luts"] for one in without["front"]]
    assert point["luts"] in [one["luts"] for one in without["others"]]


def test_what_is_kept_of_layers_is_of_the_same_network_and_engine(net):
    """A network with other levels between the same ends, the same on another device, and both engines."""
    levels = np.array([0, 3, 6, 10, 12, 15])
    changed = [
        dataclasses.replace(node, levels_a=levels) if isinstance(node, PiecewiseConv) else node
        for node in net.nodes
    ]
    other = dataclasses.replace(net, nodes=changed)
    tasks = ((net, DEVICE), (net, "ecp5-85k"), (other, "ecp5-85k"), (other, DEVICE))  # one changes at a time
    asked = [(*task, engine) for task in tasks for engine in ("direct", "fermat")]
    fresh = []
    for one, device, engine in asked:
        points._known.clear()
        fresh.append(points.predicted(one, device, 100.0, Wanted(600, engine)))
    kept = [points.predicted(one, device, 100.0, Wanted(600, engine)) for one, device, engine in asked]
    assert kept == fresh and len({(p["luts"], p["engine"]) for p in fresh if p}) > 4


def test_in_two_processes(net, found):
    from joblib.externals.loky import get_reusable_executor

    try:
        assert explore(net, DEVICE, count=4, jobs=2) == found
    finally:
        get_reusable_executor().shutdown(wait=True)  # other tests count the processes below this one


def test_on_a_dask_cluster_of_two_processes(net, found):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        spread = explore(net, DEVICE, count=4, jobs=2, backend="dask", scheduler=cluster.scheduler_address)
    assert spread == found


def test_the_chosen_design_is_the_predicted_one(net, found, tmp_path):
    point = found["front"][-1]
    made = make(net, found, point["number"], str(tmp_path / "hw"), resources=True)
    assert made["cycles_per_image"] == point["cycles"] and made["latency_cycles"] == point["latency"]
    assert {key: made["resources"]["total"][key] for key in ("luts", "ffs", "brams", "dsps")} == {
        key: point[key] for key in ("luts", "ffs", "brams", "dsps")
    }


def test_what_is_refused(net, found):
    with pytest.raises(InputError, match="the front has points 1 to"):
        make(net, found, 99, "nowhere")
    with pytest.raises(InputError, match="not for 'gw1nr-9'"):
        explore(net, "gw1nr-9")
    with pytest.raises(InputError, match="back ends are"):
        explore(net, DEVICE, backend="none")
    with pytest.raises(InputError, match="a scheduler is for the dask back end, not for 'loky'"):
        explore(net, DEVICE, scheduler="tcp://localhost:1")
    with pytest.raises(InputError, match="needs the address of a scheduler"):
        explore(net, DEVICE, backend="dask")


def test_the_page_holds_all_points_and_no_markup_of_names(found):
    page = render({**found, "name": "<b>net</b>"}, "fermatnet explore x --choose K --out DIR")
    assert "rough" not in page and "are rough" in render({**found, "rough": True}, "")
    assert "<b>net</b>" not in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    for point in found["front"]:
        assert page.count(f'data-number="{point["number"]}"') == 2  # in the picture and in the table


def test_large_designs_that_save_nothing_are_left_out():
    costs = {("direct", 64): 1000, ("direct", 128): 990, ("fermat", 64): 1001, ("fermat", 256): 900}
    designs = [Wanted(cycles, engine, float(cost)) for (engine, cycles), cost in costs.items()]
    assert [one for one in designs if saves(one, designs)] == [designs[0], designs[3]]
    twins = [Wanted(64, engine, 1000.0) for engine in ("direct", "fermat")]  # one of equal ones stays
    assert [saves(one, twins) for one in twins] == [True, False]


def test_designs_beyond_the_device_are_not_predicted():
    """Formulas 1.5 times too low for a slower design are so for a faster one."""
    slower = [
        (Wanted(1024, "direct", 20_000), {"luts": 22_000}),
        (Wanted(512, "direct", 30_000), {"luts": 45_000}),
        (Wanted(512, "fermat", 30_000), None),
    ]
    assert may_fit(Wanted(64, "direct", 40_000), slower, DEVICE)  # 60,000 of 53,200
    assert not may_fit(Wanted(64, "direct", 41_000), slower, DEVICE)
    assert may_fit(Wanted(64, "fermat", 41_000), slower, DEVICE)


def test_fast_designs_wait_for_what_is_predicted_of_slower_ones(net, monkeypatch):
    """The three fastest: 1.5 times wrong for the slow one, they are so for all."""
    estimates = {64: 45_000, 128: 31_000, 256: 25_000, 512: 20_000}
    wanted = [Wanted(cycles, "direct", luts) for cycles, luts in estimates.items()]
    monkeypatch.setattr(front, "candidates", lambda *_: wanted)
    asked = []

    def rated(net, device, clock_mhz, designs, **_):
        asked.append([one.cycles for one in designs])
        known = {"engine": "direct", "fits": True} | dict.fromkeys(COSTS, 1)
        return {one: known | {"cycles": one.cycles, "luts": one.estimate * 1.5} for one in designs}

    monkeypatch.setattr(front, "_rated", rated)
    found = explore(net, DEVICE, jobs=1)
    # of 53,200: 37,500 fits in all likelihood, 46,500 may and waits for it, 67,500 does not
    assert asked == [[512], [256], [128]]
    assert [point["cycles"] for point in found["front"]] == [128, 256, 512]
