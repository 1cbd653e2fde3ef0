"""A number of hard multipliers: kept with the fewest tables, or refused in one line."""

import itertools
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fermatnet.hw.compiler import multipliers
from fermatnet.hw.compiler.budget import plan_within
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.layers import Fold
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, save
from fermatnet.model.network.nodes import Affine, Conv, Levels, Threshold

FOLDS = {"first": Fold(4, 3), "second": Fold(2, 2)}


def network(scaled: bool = False) -> Network:
    """Two integer convolutions, 8-bit weights and 4-bit values between; with a scale behind them."""
    rng = np.random.default_rng(1)
    limits = np.sort(rng.integers(-3000, 3000, (4, 15)), axis=1)
    direct = ((1, 1), (1, 1, 1, 1), (1, 1), 1, "direct")
    nodes = [
        Conv("first", ("image",), rng.integers(-127, 128, (4, 3, 3, 3)), 8, *direct),
        Threshold("act", ("first",), limits, np.ones(4, np.int8)),
        Levels("levels", ("act",), np.arange(16)),
        Conv("second", ("levels",), rng.integers(-7, 8, (4, 4, 3, 3)), 8, *direct),
    ]
    if scaled:
        size = rng.integers(-64, 65, 4), rng.integers(-99, 99, 4)
        nodes.append(Affine("scale", ("second",), *size, 8, -128, 127))
    return Network(nodes, (3, 4, 4))


def taken(design, device: str) -> int:
    return resources_layers.total(resources_layers.by_layer(design, device)).dsps


@pytest.mark.parametrize(("device", "most"), [("xc7", 14), ("ecp5-85k", 16)])
def test_the_number_is_kept(device, most):
    found = {
        dsps: taken(plan(network(), folds=FOLDS, device=device, dsps=dsps), device) for dsps in (0, 6, 99)
    }
    assert found[0] == 0 and found[6] <= 6 and found[99] == most


def test_what_cannot_do_without_is_named():
    net = network(scaled=True)
    with pytest.raises(
        InputError, match=r"0 multipliers cannot be kept: (\d) is the least at this speed \(scale \1"
    ):
        plan(net, folds=FOLDS, device="xc7", dsps=0)


@pytest.mark.parametrize("dsps", [2, 6])
def test_what_others_take_is_left_to_them(dsps):
    """A scale takes one: the arrays multiply as they do without it, where there is one less."""
    net, plain = (
        plan(network(scaled), folds=FOLDS, device="xc7", dsps=dsps - (not scaled)) for scaled in (True, False)
    )
    assert taken(net, "xc7") <= dsps
    assert [net.layers[name].multiply for name in FOLDS] == [plain.layers[name].multiply for name in FOLDS]


def test_the_least_is_the_least():
    """Products of wide weights are not made in tables."""
    net = network()
    wide = replace(net.nodes[0], weight=net.nodes[0].weight * 8, weight_bits=16)
    net = Network([wide, *net.nodes[1:]], (3, 4, 4))
    with pytest.raises(InputError, match="3 multipliers cannot be kept") as refused:
        plan(net, folds=FOLDS, device="xc7", dsps=3)
    least = int(re.search(r"(\d+) is the least", str(refused.value))[1])
    assert taken(plan(net, folds=FOLDS, device="xc7", dsps=least), "xc7") == least
    with pytest.raises(InputError, match=f"{least} is the least"):
        plan(net, folds=FOLDS, device="xc7", dsps=least - 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"device": "gw1nr-9"}, "of the families xc7 and ecp5"), ({"reloadable": True}, "not predicted")],
)
def test_not_everywhere(options, words):
    with pytest.raises(InputError, match=words):
        plan(network(), dsps=3, **options)


def test_fewest_tables_of_all_choices():
    """Against all combinations."""

    class Stub:
        def __init__(self, options):
            self.options = options

        def ways(self, fold):
            return self.options

    rng = np.random.default_rng(0)
    for _ in range(20):
        layers = {
            f"l{k}": Stub({way: (float(rng.integers(0, 50)), int(rng.integers(0, 6))) for way in "abc"})
            for k in range(4)
        }
        folds = dict.fromkeys(layers)
        for dsps in (0, 4, 9, 30):
            best = multipliers.least_tables(layers, folds, dsps)
            prices = [
                sum(layer.options[way][0] for layer, way in zip(layers.values(), ways, strict=True))
                for ways in itertools.product("abc", repeat=4)
                if sum(layer.options[w][1] for layer, w in zip(layers.values(), ways, strict=True)) <= dsps
            ]
            assert (best is None) == (not prices)
            if best is not None:
                assert sum(layers[name].options[way][0] for name, way in best.items()) == min(prices)


def test_a_device_with_few():
    """What would not fit the device multiplies in tables, as much of it as needed."""
    layers = plan(network(), folds=FOLDS, device="ecp5-85k").layers
    ways = {name: layer.multiply for name, layer in multipliers.within_device(layers, FOLDS_ALL, 5).items()}
    assert ways["first"] == "counted"
    assert multipliers.within_device(layers, FOLDS_ALL, 14) is layers
    assert multipliers.within_device(layers, FOLDS_ALL, 13) is not layers


@pytest.mark.parametrize(("device", "way"), [("ecp5-25k", "counted"), ("ecp5-85k", "auto")])
def test_a_plan_for_a_device_with_few(device, way):
    """54 products of eight bits, and 28 multipliers of the smaller device."""
    design = plan(network(), folds={"first": Fold(2, 27), "second": Fold(2, 2)}, device=device)
    assert design.layers["first"].multiply == way


FOLDS_ALL = {**FOLDS, "act": Fold(), "levels": Fold()}


def test_with_a_number_of_luts():
    made = plan_within(network(), 4000, "xc7", dsps=1)
    assert taken(made, "xc7") <= 1


def test_on_the_command_line(tmp_path):
    save(network(scaled=True), tmp_path / "net.onnx")
    asked = [str(tmp_path / "net.onnx"), "--cycles", "600", "--device", "xc7", "--dsps", "0"]
    for words in (["verilog", *asked, "--out", str(tmp_path / "no")], ["info", *asked, "--resources"]):
        run = subprocess.run(
            [sys.executable, "-P", "-m", "fermatnet.cli", *words], capture_output=True, text=True, timeout=300
        )
        assert run.returncode == 2 and "0 multipliers cannot be kept: 1 is the least" in run.stderr
        assert not (tmp_path / "no").exists()
    made = generate(network(scaled=True), tmp_path / "yes", cycles=600, device="xc7", dsps=3, resources=True)
    assert made["resources"]["total"]["dsps"] <= 3
