"""The choice between the transform engine and a direct one: by cost, by force, and with its reasons."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.block_memory import block_rams
from fermatnet.model.fermat.cost import (
    Area,
    Layer,
    at_goal,
    direct_area,
    matches,
    prices,
    spectra_areas,
    transform_area,
)
from fermatnet.model.fermat.plan import choose
from fermatnet.model.network import Network
from fermatnet.model.network.engine import conv_choice, conv_plan, settled
from fermatnet.model.network.nodes import Conv
from fermatnet.model.network.summary import summary

LAYER = Layer(
    outputs=16,
    channels=16,
    group=1,
    kernel=(7, 7),
    out=(52, 52),
    width=52,
    stride=1,
    input_bits=16,
    weight_bits=16,
    sum_bits=42,
    widths=(16, 32),
    lengths=(32, 32),
    phase_kernel=(7, 7),
    tiles=(2, 2),
    phases=1,
)


def net(outputs, channels, kernel, size, bits, **options):
    top = (1 << (bits - 1)) - 1
    weight = np.random.default_rng(kernel).integers(-top, top + 1, (outputs, channels, kernel, kernel))
    return Network(
        [Conv("c", ("image",), weight, bits, pad=(kernel // 2,) * 4, **options)], (channels, size, size)
    )


@pytest.mark.parametrize(
    ("network", "transform"),
    [
        (net(16, 16, 3, 28, 8), False),
        (net(16, 16, 11, 44, 16), True),
        (net(16, 16, 5, 24, 8), True),
        (net(8, 1, 5, 3, 8), False),
    ],
    ids=["small kernel", "large kernel", "medium kernel", "small image"],
)
def test_by_cost(network, transform):
    """Large kernels on whole tiles pay for their transforms; small kernels and small images do not. Both
    engines' figures are in the reason."""
    choice = conv_choice(network, network.nodes[0])
    assert (choice.plan is not None) == transform
    assert choice.reasons.startswith("Fermat engine by cost" if transform else "direct engine by cost")
    assert choice.reasons.count(" DSP, ") == 2 and "cycles an image" in choice.reasons
    (layer,) = summary(network)["layers"]
    assert layer["reasons"] == choice.reasons and layer["engine"].startswith("fermat" if transform else "int")


def test_overridden():
    for bits, kernel in ((8, 3), (16, 7)):
        network = net(2, 2, kernel, 12, bits)
        (node,) = network.nodes
        assert conv_plan(network, replace(node, engine="fermat")) is not None
        assert conv_plan(network, replace(node, engine="direct")) is None
    assert conv_plan(network, replace(node, engine="fermat", moduli=(16, 32))).widths == (16, 32)


def test_bad_input():
    network = net(2, 8, 5, 12, 8)
    with pytest.raises(
        InputError,
        match=r"^layer 'c': outputs in \[-\d+, \d+\] exceed the 257 values of the moduli {2\^8\+1}; {.*} "
        r"would do$",
    ):
        conv_plan(network, replace(network.nodes[0], moduli=(8,)))


def test_spectra_by_cost():
    """Small layers store spectra; where that takes more of a device than transforms do, they are computed. A
    request or a memory decides first."""
    small, large = (np.random.default_rng(0).integers(-128, 128, (c, c, 5, 5)) for c in (2, 16))
    kept = choose(small, 0, 255, height=12, width=12)
    assert kept.spectra == "stored" and "cheaper for 4 products: stored" in kept.reasons
    computed = choose(large, 0, 255, height=12, width=12, length=16)
    assert computed.spectra == "computed" and "cheaper for 4 products: stored" in computed.reasons
    # 16 transforms cost more than a memory
    few = {
        p: choose(large[:, :4], 0, 255, height=12, width=12, length=16, products=p).spectra for p in (4, 16)
    }
    assert few == {4: "computed", 16: "stored"}
    stored, on_the_fly = spectra_areas(LAYER, 4)
    assert stored.worth > on_the_fly.worth and spectra_areas(LAYER, 16)[1].luts > 3.8 * on_the_fly.luts
    assert choose(large, 0, 255, height=12, width=12, length=16, spectra="stored").spectra == "stored"
    limited = choose(small, 0, 255, height=12, width=12, memory_bits=100)
    assert limited.spectra == "computed" and "exceed the memory of 100" in limited.reasons


def test_equal_throughput():
    """The direct engine of each match computes an image in no more cycles, and not with one unit less."""
    for match in matches(LAYER, "computed"):
        assert match.macs * match.cycles >= LAYER.macs > (match.macs - 1) * match.cycles
        assert match.cycles == 4 * (16 // match.products) * 16 * 1024
        assert match.transform.dsps == 5 * match.products and match.direct.dsps == match.macs


@pytest.mark.parametrize("cycles", [140_000, 262_144, 5_000_000])
def test_at_goal(cycles):
    """Each engine has the fewest products that keep to the goal, of those that can be folded."""
    match = at_goal(LAYER, cycles)
    allowed = [(p, a) for p in (1, 2, 4, 8, 16) for a in (1, 2, 4, 8, 16)]
    assert match.products == min(p for p, _ in allowed if LAYER.cycles(p) <= cycles)
    assert match.macs == min(p * a for p, a in allowed if LAYER.macs / (p * a) <= cycles)
    assert match.cycles == cycles and prices(LAYER, match) == (match.transform.worth, match.direct.worth)


def test_narrow_products_are_priced_as_tables():
    """A product of 5 by 8 bits is never worth a DSP block; one of 16 by 16 always is."""
    narrow = replace(LAYER, input_bits=5, weight_bits=8)
    match = at_goal(narrow, 262_144)
    assert prices(narrow, match)[1] == pytest.approx(
        match.direct.luts + match.macs * 48 + (match.direct.brams * 63400 / 270)
    )


def test_engine_at_a_goal():
    """One layer takes the direct engine where an image has many cycles and the transform where it has few; no
    engine is taken that cannot keep up, and a forced one stays."""
    network = replace(net(16, 16, 11, 44, 16), input_range=(-32768, 32767), input_dtype="int16")
    (node,) = network.nodes
    engines = [settled(network, node, cycles).engine for cycles in (10_000, 100_000, 262_144, 100_000_000)]
    assert engines == ["direct", "fermat", "fermat", "direct"]
    assert "the transform takes 65536 cycles an image with all 16 products, 10000 are asked for" in (
        conv_choice(network, node, 10_000).reasons
    )
    assert "a direct one takes 234256 cycles an image with all 256 products" in (
        conv_choice(network, node, 100_000).reasons
    )
    assert " at 262144 cycles an image " in conv_choice(network, node, 262_144).reasons
    assert settled(network, replace(node, engine="fermat"), 10_000).engine == "fermat"
    assert summary(network, 262_144)["layers"][0]["engine"].startswith("fermat")


def test_growth():
    """More products cost more of everything, spectra and weights grow with their layers, one share counts all
    resources."""
    areas = [transform_area(LAYER, p, "computed") for p in (1, 2, 4)]
    assert all(a.luts < b.luts and a.dsps < b.dsps and a.worth < b.worth for a, b in pairwise(areas))
    twice = replace(LAYER, outputs=32, channels=32)
    assert 3.9 < spectra_areas(twice, 4)[0].brams / spectra_areas(LAYER, 4)[0].brams < 4.1
    assert direct_area(twice, 64).brams > direct_area(LAYER, 64).brams
    assert Area(1, 10, 2).worth == pytest.approx(10 + 63400 / 240 + 2 * 63400 / 270)
    assert [
        block_rams(36, 512),
        block_rams(37, 512),
        block_rams(1, 16384),
        block_rams(8, 64),
        block_rams(18, 1025),
    ] == [1, 2, 1, 0, 2]
