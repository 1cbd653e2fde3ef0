"""Resource prediction of whole blocks: by hand, multipliers and counters, one block against yosys, the
formula that folds are chosen by."""

from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from fermatnet.bench.compiler.prediction_layers import cases
from fermatnet.bench.samples.networks import random_network
from fermatnet.hw.arrays.depthwise import DepthwiseArray
from fermatnet.hw.layers import layer_of
from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.resources import predict
from fermatnet.hw.rtl import verilog
from fermatnet.hw.stream.fifo import Fifo
from fermatnet.hw.stream.join import Adder
from fermatnet.model.errors import InputError


def test_registers_and_tables_by_hand():
    """A residual add of 4 lanes: 12 + 10 bits in, 13 bits of sum; registers at both inputs and the output,
    one table a bit of the sum."""
    block = Adder(signed(12), signed(10), lanes=4, shape=signed(13))
    guess = predict(block, "xc7")
    assert abs(guess.luts - 52) < 5 and guess.brams == guess.dsps == 0
    verilog.emit(block, "block")


@pytest.mark.parametrize("family", ["xc7", "ecp5"])
def test_multipliers(family):
    weight = np.array([[-100, 50, 7, 90]] * 6)
    assert predict(DepthwiseArray(weight, unsigned(8), lanes=3), family).dsps == 3


@pytest.mark.parametrize(
    ("family", "target", "device"), [("xc7", "lut6", "xc7"), ("ecp5", "ecp5", "ecp5-85k")]
)
def test_a_popcount_takes_what_yosys_maps_it_to(family, target, device, tmp_path):
    from fermatnet.synth.flow import cells

    block = Popcount(40, target=target)
    verilog.emit(block, "block", tmp_path)
    assert predict(block, family).luts == cells(tmp_path / "block.v", "block", device)["luts"]


def test_against_yosys(tmp_path):
    """A queue: within a tenth and two tables, registers exactly."""
    from fermatnet.synth.flow import cells

    block = Fifo(data.ArrayLayout(unsigned(12), 2), 500)
    verilog.emit(block, "block", tmp_path)
    found, guess = cells(tmp_path / "block.v", "block", "xc7"), predict(block, "xc7")
    assert abs(guess.luts - found["luts"]) <= 2 + found["luts"] / 10
    assert (guess.ffs, guess.brams, guess.dsps) == (found["ffs"], found["brams"], found["dsps"])


def test_unknown_family():
    with pytest.raises(InputError, match="xc7, ecp5, ice40"):
        predict(Fifo(unsigned(3), 4), "gw1nr")


def test_cost_of_folds_grows_with_the_rows_at_once():
    """Of two folds with as many columns at once, the one with more rows at once costs more."""
    pairs = 0
    for seed in range(6):
        net = random_network(seed)
        for node in net.nodes:
            layer = layer_of(net, node)
            constant = getattr(layer, "constant", lambda fold: False)
            folds = [fold for fold in layer.folds() if not constant(fold)]
            costs = {(fold.simd, fold.pe): layer.cost(fold) for fold in folds}
            assert min(costs.values()) > 0
            for (simd, pe), (next_simd, next_pe) in pairwise(sorted(costs)):
                if simd == next_simd:
                    pairs += 1
                    assert costs[simd, pe] < costs[next_simd, next_pe], (seed, node.name, simd, pe, next_pe)
    assert pairs > 100


def test_cases_are_disjoint_and_many():
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names) and sum(not case.fitted for case in cases()) >= 12
