"""Weights from outside and weights at run time, in RTL against the reference; the checksum against zlib."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.bench.samples.shapes import pa_mobilenet, pa_resnet
from fermatnet.bench.samples.weights import check_reloaded, check_streamed, run_loads, with_weights_of
from fermatnet.hw.compiler.generate import generate, load_burst, weight_words
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.rtl.reloadable import CHECK, load_words
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Dense


def small(seed=3):
    return pa_resnet((1, 4, 4), (2,), (1,), seed=seed, classes=4)


def images_for(net, count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *net.input_shape)).astype(np.uint8)


@pytest.mark.parametrize("net", [small(), pa_mobilenet((1, 4, 4), (2, 4))])
def test_streamed_weights(net):
    names = [node.name for node in net.nodes if hasattr(node, "codes") or hasattr(node, "weight")][1:]
    design = plan(net, folds={}, external=names)
    top, images = Top(design), images_for(net, 5)
    assert set(top.weight_ports) == set(names)
    feeds = {f"{prefix}": weight_words(design, name) for name, prefix in top.weight_ports.items()}
    result = simulate_top(top, images, seed=3, calm=3, weights=feeds)
    np.testing.assert_array_equal(result.outputs, run(net, images))
    assert result.ends[2] - result.ends[1] == design.cycles_per_image
    assert result.latency == design.latency


def test_as_many_weights_leave_as_do_not_fit():
    net = pa_resnet((3, 8, 8), (64, 128), (1, 1), seed=1)
    everything = plan(net, folds={}, external="none")
    assert everything.external == ()
    assert plan(net, folds={}, device="ecp5-85k").external == ()
    outside = plan(net, folds={}, device="ice40-up5k").external
    assert outside and "s2b1_conv2" in outside and "fc" not in outside


def test_unknown_external_layer():
    with pytest.raises(InputError, match="'nothing' cannot come from outside"):
        plan(small(), external=["nothing"])


def test_check_of_a_load_is_zlibs():
    """The checksum as the hardware makes it, a load after another one; and the catalogue's check value."""
    first, second = (np.random.default_rng(seed).integers(0, 1 << 32, 9).tolist() for seed in (0, 1))
    m = Module()
    m.submodules.check = check = CHECK.create()

    async def bench(ctx):
        for words in (first, second):
            ctx.set(check.start, 1)
            await ctx.tick()
            ctx.set(check.start, 0)
            ctx.set(check.valid, 1)
            for word in words:
                ctx.set(check.data, word)
                await ctx.tick()
            ctx.set(check.valid, 0)
            expected = zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))
            assert ctx.get(check.crc) == CHECK.compute(words) == expected

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert CHECK.algorithm(8).compute(b"123456789") == 0xCBF43926  # in every catalogue of CRCs


def test_reload_swaps_between_images_and_refuses_bad_loads(tmp_path):
    first = small()
    second = with_weights_of(first, small(4))
    generate(first, tmp_path / "design", reloadable=True, folds={})
    burst = load_burst(second, tmp_path / "design")
    own = [int(line, 16) for line in (tmp_path / "design" / "fermatnet_load.hex").read_text().split()]
    design = plan(first, folds={}, reloadable=True, plain=True)
    images = images_for(first, 6, 2)
    flipped = [*burst[:7], burst[7] ^ 4, *burst[8:]]
    loads = {1: flipped, 2: burst[:-3], 3: [burst[0] ^ 1, *burst[1:]], 4: burst, 5: own}
    got, outcome = run_loads(design, images, loads)
    assert outcome == [(0, 1), (0, 1), (0, 1), (1, 0), (1, 0)]
    np.testing.assert_array_equal(got[[0, 1, 2, 3, 5]], run(first, images)[[0, 1, 2, 3, 5]])
    np.testing.assert_array_equal(got[4], run(second, images)[4])
    assert (run(first, images)[4] != run(second, images)[4]).any()


def test_weights_without_a_bias_go_into_a_design_made_with_one(tmp_path):
    first = small()
    bare = [
        replace(node, bias=np.zeros(0, np.int64)) if isinstance(node, Dense) else node for node in first.nodes
    ]
    second = Network(bare, first.input_shape)
    generate(first, tmp_path / "design", reloadable=True, folds={})
    burst = load_burst(second, tmp_path / "design")
    images = images_for(first, 3, 2)
    got, outcome = run_loads(plan(first, folds={}, reloadable=True, plain=True), images, {1: burst})
    assert outcome == [(1, 0)] and (run(first, images) != run(second, images)).any()
    np.testing.assert_array_equal(got, np.concatenate([run(first, images[:1]), run(second, images[1:])]))


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_random_networks_reload(seed):
    """Among them one without a bias (2), and factors, thresholds and biases that all pass in one beat."""
    outcome = check_reloaded(seed, 160)
    assert not outcome.problem and outcome.cycles


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_random_networks_with_streamed_weights(seed):
    assert not check_streamed(seed, 160).problem


def test_loads_of_another_structure_are_refused(tmp_path):
    generate(small(), tmp_path / "design", reloadable=True, folds={})
    changed = small()
    scale = next(node for node in changed.nodes if hasattr(node, "shift"))
    # a shift is wiring; levels, for instance, are contents where planes are powers of two
    scale.shift += 1
    with pytest.raises(InputError, match="another structure"):
        load_burst(Network(changed.nodes, changed.input_shape), tmp_path / "design")
    beyond = small()
    beyond.nodes[-1].bias[0] = 1 << 20
    with pytest.raises(InputError, match="'fc': its bias goes beyond"):
        load_burst(Network(beyond.nodes, beyond.input_shape), tmp_path / "design")
    with pytest.raises(InputError, match="layers are not those"):
        load_burst(pa_mobilenet((1, 4, 4), (2,)), tmp_path / "design")
    generate(small(), tmp_path / "plain", folds={})
    with pytest.raises(InputError, match="no reloadable design"):
        load_burst(small(), tmp_path / "plain")


def test_load_words_are_signature_contents_and_checksum():
    from fermatnet.hw.rtl.reloadable import Layout

    layout = Layout([("a", 40, [0x12_3456789A]), ("b", 3, [5, 6])])
    words = load_words(layout)
    assert words[1:-1] == [0x3456789A, 0x12, 5, 6] and len(words) == layout.length + 2
    assert words[-1] == zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words[1:-1]))
