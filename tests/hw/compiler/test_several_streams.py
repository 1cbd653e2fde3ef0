"""Designs of several inputs and outputs: equal to the reference with stalls of every stream, an image a
period without; a bad image of one input spoils that image only, in all outputs."""

from dataclasses import replace

import numpy as np
import pytest

from fermatnet.bench.samples.streams import simulate_streams
from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.stream.options import StreamOptions
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network import nodes as n
from fermatnet.model.network.inputs import Input
from fermatnet.sim.network import simulate
from fermatnet.sim.several import simulate_several

RNG = np.random.default_rng(8)


def weights(*shape: int) -> np.ndarray:
    return RNG.integers(-9, 10, shape)


def narrow(name: str, source: str, channels: int) -> n.Affine:
    return n.Affine(name, (source,), np.full(channels, 3), np.full(channels, 5), 6, -99, 99)


def two_heads() -> Network:
    """One input; a shallow and a deep output, the shallow one also read."""
    layers = [
        n.Conv("c", ("image",), weights(4, 2, 3, 3), pad=(1, 1, 1, 1)),
        narrow("low", "c", 4),
        n.Conv("d", ("low",), weights(4, 4, 3, 3), pad=(1, 1, 1, 1)),
        narrow("mid", "d", 4),
        n.SumPool("sum", ("mid",)),
    ]
    return Network(layers, (2, 4, 5), (-8, 7), outputs=("sum", "low"))


def two_inputs() -> Network:
    """An image and a vector of another type, that meet late."""
    layers = [
        n.Conv("c", ("image",), weights(3, 2, 3, 3), pad=(1, 1, 1, 1)),
        narrow("x", "c", 3),
        n.Dense("gate", ("vector",), weights(3, 5)),
        narrow("g", "gate", 3),
        n.Multiply("y", ("x", "g"), (1, -2)),
        n.Dense("end", ("g",), weights(2, 3)),
    ]
    more = (Input("vector", (5,), -500, 500),)
    return Network(layers, (2, 4, 5), (0, 15), more_inputs=more, outputs=("y", "end"))


def samples(net: Network, count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        one.name: rng.integers(one.lo, one.hi + 1, (count, *one.dims)).astype(one.dtype) for one in net.inputs
    }


@pytest.mark.parametrize("make", [two_heads, two_inputs])
@pytest.mark.parametrize("cycles", [350, 200])
def test_hardware_is_the_reference(make, cycles):
    net = make()
    given, design = samples(net, 6), plan(net, cycles=cycles)
    wanted = run(net, given if len(net.inputs) > 1 else given["image"])
    for seed in (None, 1, 2):
        got = simulate_streams(Top(design), given, seed=seed)
        for name in net.outputs:
            np.testing.assert_array_equal(got.outputs[name], wanted[name])
            if seed is None:
                assert np.all(np.diff(got.ends[name])[2:] == design.cycles_per_image), name


@pytest.mark.parametrize("clock_mhz", [100, 250])
@pytest.mark.parametrize("shape", [(2, 3, 2), (3, 1, 1)])
def test_outputs_right_behind_the_input_lose_no_cycle(shape, clock_mhz):
    """Their verdicts take two cycles through the queue of each output, the results one."""
    table = RNG.integers(-9, 10, 12)
    layers = [n.Add("s", ("image", "image")), n.Lookup("q", ("image",), table, -4)]
    net = Network(layers, shape, (-4, 7), outputs=("s", "q"))
    given, design = samples(net, 8), plan(net, clock_mhz=clock_mhz, external="none")
    got = simulate_streams(Top(design), given)
    for name, wanted in run(net, given["image"]).items():
        np.testing.assert_array_equal(got.outputs[name], wanted)
        assert set(np.diff(got.ends[name])) == {design.cycles_per_image} == {shape[1] * shape[2]}, name


@pytest.mark.parametrize(
    ("make", "name"), [(two_heads, "image"), (two_inputs, "image"), (two_inputs, "vector")]
)
def test_a_short_image_of_one_input_spoils_that_image_only(make, name):
    net = make()
    given, design = samples(net, 5), plan(net, cycles=300)
    wanted = run(net, given if len(net.inputs) > 1 else given["image"])
    for seed in (None, 3):
        got = simulate_streams(Top(design), given, seed=seed, short=(name, 2))
        for output in net.outputs:
            np.testing.assert_array_equal(got.outputs[output], np.delete(wanted[output], 2, axis=0))


def test_ports_have_the_tensors_names():
    top = Top(plan(two_inputs(), cycles=700))
    assert top.source_ports == ["s_axis_image", "s_axis_vector"]
    assert top.sink_ports == ["m_axis_y", "m_axis_end"]
    assert {"s_axis_vector_tdata", "m_axis_end_tuser", "error_count"} <= set(top.signature.members)


def test_refusals():
    with pytest.raises(InputError, match="a frame buffer drops a bad image of one input only"):
        replace(plan(two_inputs(), cycles=700), options=StreamOptions(frame_buffer=True))
    with pytest.raises(InputError, match=r"2 outputs \(sum, low\): a reloadable design has one stream"):
        plan(two_heads(), cycles=700, reloadable=True)


def test_verilog_is_the_reference(tmp_path):
    """Through files, on a Verilog simulator, one array a name."""
    net = two_inputs()
    given = samples(net, 4)
    generate(net, tmp_path / "design", cycles=300)
    for stalls in (None, 5):
        result = simulate_several(tmp_path / "design", given, stalls=stalls)
        for name, wanted in run(net, given).items():
            np.testing.assert_array_equal(result.outputs[name], wanted)
    with pytest.raises(InputError, match=r"takes image, vector: give one array a name, not image"):
        simulate_several(tmp_path / "design", {"image": given["image"]})
    with pytest.raises(InputError, match="several inputs or outputs: give them by name"):
        simulate(tmp_path / "design", given["image"])
