"""In which order nextpnr is tried, and with what."""

from types import SimpleNamespace

import pytest

from fermatnet.hw.devices import DEVICES
from fermatnet.synth import attempts, pins, tools


@pytest.fixture
def listed(monkeypatch):
    """What is tried for a device, a clock and a share of its tables."""
    monkeypatch.setattr(attempts.count, "total", lambda modules, top: modules[top])
    monkeypatch.setattr(attempts.count, "resources", lambda counts, family: {"luts": counts})

    def tries(name, clock, share=0.1, top="top"):
        netlist = SimpleNamespace(modules={top: share * DEVICES[name].luts}, top=top)
        return attempts.tries(netlist, DEVICES[name], clock)

    return tries


@pytest.mark.parametrize(
    ("name", "clock", "share", "router"),
    [
        ("ecp5-25k", 150.0, 0.29, "router1"),
        ("ecp5-25k", 150.0, 0.31, "router2"),
        ("ecp5-25k", 100.0, 0.1, "router2"),
        ("ice40-hx8k", 150.0, 0.1, "router2"),
        ("lifcl-40", 150.0, 0.1, "router1"),
    ],
)
def test_who_routes_and_whether_time_weighs_more(listed, name, clock, share, router):
    order = listed(name, clock, share)
    (*weight, _, first), seed = order[0]
    assert first == router and seed == 1
    assert bool(weight) == (name == "ecp5-25k" and clock > 100)
    other = "router1" if name == "lifcl-40" else "router2"
    assert [(how[-1], seed) for how, seed in order[-4:]] == [(other, seed) for seed in attempts.SEEDS]
    assert (attempts.DENSE in (how for how, _ in order)) == (name == "ecp5-25k" and router == "router1")


def test_who_routes_a_frame_of_crosslink_nx(listed):
    assert {how for how, _ in listed("lifcl-40", 150.0, top=pins.FRAME)} == {("--router", "router2")}


@pytest.mark.parametrize(("fails", "outcome"), [(0, 1), (2, 3), (9, None)])
def test_a_placement_that_is_not_routed_is_followed_by_another(listed, monkeypatch, tmp_path, fails, outcome):
    tried = []

    def run(tool, arguments, directory, log, watch=None):
        tried.append(int(arguments[arguments.index("--seed") + 1]))
        if len(tried) <= fails:
            raise tools.ToolError("nextpnr-ecp5: Failed to route arc 0.0 of net 'clk'")
        return 1.0

    monkeypatch.setattr(tools, "run", run)
    netlist, tries = SimpleNamespace(directory=tmp_path), listed("ecp5-25k", 50.0)
    if outcome:
        assert attempts.routed(None, [], tries, netlist)[0] == outcome and tried == list(
            range(1, outcome + 1)
        )
    else:
        with pytest.raises(tools.ToolError, match="Failed to route"):
            attempts.routed(None, [], tries, netlist)
        assert tried == [1, 2, 3, 4]


def test_other_errors_of_nextpnr_are_not_tried_again(listed, monkeypatch, tmp_path):
    def run(*_, **__):
        raise tools.ToolError("nextpnr-ecp5: Expecting string value but got integer 1.")

    monkeypatch.setattr(tools, "run", run)
    tries = listed("ecp5-25k", 50.0)
    with pytest.raises(tools.ToolError, match="Expecting string"):
        attempts.routed(None, [], tries, SimpleNamespace(directory=tmp_path))


@pytest.mark.parametrize(("fails", "calls"), [(0, 2), (1, 3)])
def test_where_router1_is_lost_cells_are_spread(listed, monkeypatch, tmp_path, fails, calls):
    tried, said = [], []

    def run(tool, arguments, *_, watch):
        tried.append(tuple(arguments[:-2]))
        if "router1" in arguments:
            line = "Info:      43000 |    24673      16326 |  597   403 |     43904|"
            (tmp_path / "nextpnr.log").write_text(line)
        elif len(tried) <= 1 + fails:
            raise tools.ToolError("nextpnr-ecp5: the placer knows no such cell")
        watch()

    monkeypatch.setattr(tools, "run", run)
    tries, netlist = listed("ecp5-25k", 150.0), SimpleNamespace(directory=tmp_path)
    assert attempts.routed(None, [], tries, netlist, said.append)[0] == 1
    assert tried == [how for how, _ in tries[:calls]] and tried[1] == attempts.DENSE
    assert not (tmp_path / "nextpnr.log").exists()  # the lost one is not read as the next one's
    assert said[0] == "nextpnr: too many wires are taken, placing again more evenly"


def test_a_build_that_dies_behind_its_routing_has_said_its_speed(tmp_path, monkeypatch):
    def dies(tool, arguments, directory, log, watch):
        (directory / "nextpnr.log").write_text(said)
        raise tools.ToolError("nextpnr-gatemate: 1: wasm trap: out of bounds memory access")

    monkeypatch.setattr(tools, "run", dies)
    before, after = (
        f"Info: Max frequency for clock 'clk': {mhz} MHz (PASS at 40 MHz)\n" for mhz in (60, 46.25)
    )
    said = f"{before}Info: Routing complete.\n{after}"
    assert attempts.routed(None, [], [((), 1)], SimpleNamespace(directory=tmp_path))[0] == 1
    assert attempts.logged_fmax(tmp_path) == 46.25
    said = before  # the estimate of a placement that was not routed
    with pytest.raises(tools.ToolError):
        attempts.routed(None, [], [((), 1)], SimpleNamespace(directory=tmp_path))
    assert attempts.logged_fmax(tmp_path) == 0
