"""Fully unrolled layers: no weight memory, a window a cycle, cycles and latency as predicted."""

import numpy as np
import pytest

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.constant.levels import ConstantLevels
from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.layers import Fold, layer_of
from fermatnet.hw.layers.windowed import array_of
from fermatnet.hw.stream.parallel_window import ParallelWindow
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Affine, Conv, Dense, PiecewiseConv, Threshold


def network() -> Network:
    """3x3 convolutions with stride and padding, one of them piecewise, scales, thresholds, a dense layer."""
    rng = np.random.default_rng(4)
    levels_w, levels_a = np.array([-7, -2, 0, 3, 6]), np.array([0, 2, 5, 7])
    limits = np.sort(rng.integers(-30, 60, (3, 3)), axis=1)
    codes = rng.integers(0, 5, (2, 3, 3, 3)).astype(np.uint8)
    weight = rng.integers(-7, 8, (3, 2, 3, 3))
    return Network(
        [
            Conv("conv", ("image",), weight, stride=(1, 1), pad=(1, 1, 1, 1)),
            Affine("scale", ("conv",), np.array([3, -5, 9]), np.array([0, 64, -100]), 6, -128, 127),
            Threshold("act", ("scale",), limits, np.array([1, -1, 1], np.int8)),
            PiecewiseConv("levels", ("act",), codes, levels_w, levels_a, stride=(2, 1), pad=(1, 0, 1, 0)),
            Affine("clip", ("levels",), np.array([1, 2]), np.array([3, 0]), 2, -8, 7),
            Dense("dense", ("clip",), rng.integers(-128, 128, (3, 2 * 3 * 4)), rng.integers(-99, 99, 3)),
        ],
        (2, 5, 6),
    )


def whole(net: Network) -> dict[str, Fold]:
    """Every product of a window side by side, the dense layer folded over the pixels."""
    layers = {node.name: layer_of(net, node) for node in net.nodes}
    return {name: max(layer.folds()) for name, layer in layers.items()}


@pytest.mark.parametrize("device", ["ice40-hx8k", "xc7"])
def test_a_pixel_a_cycle(device):
    net = network()
    design = plan(net, folds=whole(net), device=device)
    assert design.folds["conv"] == Fold(3, 18) and design.cycles_per_image == 30
    for name, kind in (("conv", ConstantMatrix), ("levels", ConstantLevels)):
        window, array = design.components[name].parts
        assert isinstance(window, ParallelWindow) and isinstance(array, kind)
    images = np.random.default_rng(1).integers(0, 256, (6, 2, 5, 6)).astype(np.uint8)
    expected = run(net, images)
    result = simulate_top(Top(design), images, limit=5000)
    np.testing.assert_array_equal(result.outputs, expected)
    assert result.ends[-1] - result.ends[-2] == design.cycles_per_image
    assert result.latency == design.latency
    if device == "xc7":
        stalled = simulate_top(Top(plan(net, folds=whole(net), device=device)), images, seed=3, limit=9000)
        np.testing.assert_array_equal(stalled.outputs, expected)


def test_below_nine_cycles_by_choice():
    """At a goal of one pixel a cycle the compiler unrolls over the taps; at a slow one it folds."""
    net = network()
    design = plan(net, cycles=30, device="xc7")
    assert design.cycles_per_image == 30
    assert isinstance(array_of(design.components["conv"]), ConstantMatrix)
    slow = plan(net, cycles=30 * 3 * 18, device="xc7")
    assert slow.folds["conv"].pe * slow.folds["conv"].simd < 3 * 18


def test_weights_that_change_stay_in_memories():
    net = network()
    design = plan(net, folds=whole(net), device="xc7", reloadable=True)
    array = array_of(design.components["conv"])
    assert not isinstance(array, ConstantMatrix) and array.weight_width > 0
    asked = plan(net, folds=whole(net), device="xc7", external=["conv"])
    assert asked.external == ("conv",)
    with pytest.raises(InputError, match="weights of 'scale' cannot come from outside"):
        plan(net, folds=whole(net), device="xc7", external=["scale"])


def lanes_of(design) -> dict[str, int]:
    """Lanes of each layer's first input."""
    return {name: edge.lanes_to for (name, index), edge in design.schedule.edges.items() if not index}


def test_readers_of_a_whole_matrix_are_as_narrow_as_the_period_allows():
    """All its sums come at once; where there is time what reads them takes them one by one, and images still
    leave a period apart."""
    net = network()
    fast = plan(net, folds=whole(net), device="xc7")
    assert lanes_of(fast)["scale"] == 3  # thirty pixels of three values in thirty cycles
    folds = whole(net) | {"levels": Fold(1, 1)}  # 2 outputs x 12 pixels x 27 taps: 648 cycles
    slow = plan(net, folds=folds, device="xc7")
    assert slow.cycles_per_image == 648 and lanes_of(slow)["scale"] == lanes_of(slow)["act"] == 1
    images = np.random.default_rng(1).integers(0, 256, (5, 2, 5, 6)).astype(np.uint8)
    result = simulate_top(Top(slow), images, limit=9000)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    assert result.ends[-1] - result.ends[-2] == slow.cycles_per_image


def test_narrow_weights_of_a_wide_type_are_priced_as_they_are():
    """Weights of two bits that a file declares with eight: folded arrays of them are no dearer than they are,
    so a matrix of constants is not taken in their place."""
    rng = np.random.default_rng(2)
    weight = rng.integers(-2, 2, (64, 64, 3, 3))

    def layer(weight):
        net = Network([Conv("conv", ("image",), weight, engine="direct")], (64, 12, 12), (0, 3))
        return layer_of(net, net.nodes[0], "lut6")

    narrow, fold = layer(weight), Fold(2, 576)
    assert narrow.node.weight_bits == 8 and narrow.cost(fold) < narrow.cost(Fold(64, 576))
    weight[0, 0, 0, 0] = 127
    assert layer(weight).cost(fold) > 2 * narrow.cost(fold)
