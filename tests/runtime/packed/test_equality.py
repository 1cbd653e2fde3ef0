"""The packed engine against the reference: every form, every kernel, every number of threads; equal
integers."""

from dataclasses import replace

import numpy as np
import pytest

from fermatnet.bench.samples.networks import random_network
from fermatnet.model.network import Network, run
from fermatnet.runtime import Engine

from ...model.network import samples
from . import nets

NETWORKS = {
    "digits": samples.digits_like,
    "everything": samples.everything,
    "bytes": nets.extreme_bytes,
    "long": nets.long_sums,
    "joins": nets.joins,
    "binary": nets.binary,
}
pytestmark = pytest.mark.skipif(not nets.forms(), reason="no C++ compiler")


def check(net: Network, seed: int = 0) -> None:
    x = nets.images(net, seed=seed)
    wanted = run(net, x)
    for form in nets.forms():
        for kernel in ("", "bytes", "halves", "bits", "fermat"):
            outputs = Engine(net, form=form, kernel=kernel)(x)
            assert outputs.dtype == np.int64 and np.array_equal(outputs, wanted), (
                f"{form}, kernel {kernel or 'as chosen'}"
            )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_form_and_kernel(name):
    check(NETWORKS[name]())


@pytest.mark.parametrize("seed", range(20))
def test_random_networks(seed):
    check(random_network(7000 + seed), seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer(name):
    """Every tensor of a network as its output: what is fused or joined is right where it is stored, too."""
    net = NETWORKS[name]()
    x = nets.images(net)
    for node in net.nodes:
        part = Network(_needed(net, node.name), net.input_shape, net.input_range, output=node.name)
        assert np.array_equal(Engine(part)(x), run(part, x)), node.name


def _needed(net: Network, name: str):
    from fermatnet.model.network.graph import needed

    return needed(net.nodes, name)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_threads_and_batches(threads):
    """Images are shared out, or rows where there are fewer images than threads; odd numbers, and batches of
    every size.
    """
    net = samples.digits_like()
    x = nets.images(net, 41)
    wanted = run(net, x)
    for batch in (None, 1, 3):
        engine = shared(Engine(net, threads, batch))
        for count in (1, 2, 4, 17, 41):
            assert np.array_equal(engine(x[:count]), wanted[:count]), (batch, count)
    for other in (nets.binary(), nets.long_sums(), nets.joins()):
        x = nets.images(other, 3)
        assert np.array_equal(shared(Engine(other, threads))(x), run(other, x))


def shared(engine: Engine) -> Engine:
    """Small as the networks are, let every call wake all threads."""
    assert engine._emitter.program.alone >= 1
    engine._emitter.program.alone = 0
    return engine


def test_a_wrong_weight_is_seen():
    """The comparison can fail: one weight, one limit or one multiplier changed gives other integers."""
    net = samples.digits_like()
    x = nets.images(net, 8)
    wanted = run(net, x)
    for name, field, change in (
        ("conv1", "codes", 1),
        ("act0", "thresholds", 300),
        ("scale3", "multiplier", 40),
        ("dense", "weight", 1),
    ):
        node = net.node(name)
        values = getattr(node, field).copy()
        values[0] = (values[0] + change) % 5 if field == "codes" else values[0] + change
        changed = [replace(other, **{field: values}) if other is node else other for other in net.nodes]
        assert not np.array_equal(Engine(Network(changed, net.input_shape, net.input_range))(x), wanted), name


def test_same_answer_in_pieces():
    """Progress cuts a call into batches; a view of other strides is read as it is meant."""
    net = samples.everything()
    x = nets.images(net, 9)
    done: list[int] = []
    assert np.array_equal(Engine(net)(x, batch=4, progress=done.append), run(net, x)) and done == [4, 8, 9]
    assert np.array_equal(
        Engine(net)(x[::-1, :, :, ::-1]), run(net, np.ascontiguousarray(x[::-1, :, :, ::-1]))
    )
