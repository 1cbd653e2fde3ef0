"""The plan: kernels by cost, fewer planes where levels allow, memory that never overlaps, reasons for
everything.
"""

import itertools

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run
from fermatnet.model.network.nodes import Affine, Conv, PiecewiseConv, Threshold
from fermatnet.runtime import Engine
from fermatnet.runtime.packed.kernel_choice import weight_planes
from fermatnet.runtime.packed.program import Kind, Source

from ...model.network import samples
from . import nets

pytestmark = pytest.mark.skipif(not nets.forms(), reason="no C++ compiler")


@pytest.mark.parametrize(
    ("levels", "base", "count"),
    [
        ((-3, 3), True, 1),
        ((-3, 0, 3), False, 2),
        ((-9, -4, 0, 5, 9), False, 3),
        ((-3, -1, 1, 3), True, 2),
        ((7,), True, 0),
        ((0,), False, 0),
    ],
)
def test_weight_planes(levels, base, count):
    """Two levels are one plane and a count of the window; levels that are sums of few numbers take few
    planes.
    """
    planes = weight_planes(levels)
    assert planes.planes.count == count and bool(planes.base) == base
    assert (planes.planes.levels() + planes.base).tolist() == list(levels)


def piecewise(weight_levels: list[int], activations: list[int], channels: int = 64) -> Network:
    rng = np.random.default_rng(0)
    used = [k for k in range(len(weight_levels)) if weight_levels[k] or len(weight_levels) > 3]
    codes = rng.choice(np.array(used, np.uint8), (64, channels, 3, 3))
    limits = np.sort(rng.integers(0, 256, (channels, len(activations) - 1)), axis=1)
    return Network(
        [
            Threshold("act", ("image",), limits, np.ones(channels, np.int8)),
            PiecewiseConv(
                "conv", ("act",), codes, np.array(weight_levels), np.array(activations), pad=(1, 1, 1, 1)
            ),
        ],
        (channels, 9, 9),
    )


def test_kernel_by_cost():
    """Binary layers count bits; many planes lose to byte products; the reason names the cost of every
    kernel."""
    for form in nets.forms():
        binary = Engine(piecewise([-2, 0, 2], [0, 1]), form=form)
        many = Engine(piecewise([-74, -41, 0, 39, 74], [0, 15, 29, 44, 58, 73]), form=form)
        assert binary.plan.choices["conv"].source == Source.DOT_BITS
        assert many.plan.choices["conv"].source == Source.DOT_BYTES
        assert "bits" in binary.plan.choices["conv"].reason and "bytes" in binary.plan.choices["conv"].reason
    assert binary.plan.choices["conv"].weight_planes.planes.count == 1


def test_fermat_kernels_by_cost():
    """Large kernels with sums beyond 32 bits are computed by transforms, small ones by the generic kernel;
    both are the reference's integers.
    """

    def net(channels: int, size: int, stride: int) -> Network:
        weight = np.random.default_rng(1).integers(-32767, 32768, (channels, channels, 7, 7))
        return Network(
            [
                Affine("wide", ("image",), np.full(channels, 128), np.full(channels, -9), 0, -32768, 32767),
                Conv("conv", ("wide",), weight, 16, (stride, 1), (3, 1, 0, 2), engine="direct"),
                Affine(
                    "back",
                    ("conv",),
                    np.arange(channels) + 1,
                    np.zeros(channels, np.int64),
                    26,
                    -32768,
                    32767,
                ),
            ],
            (channels, size, size),
        )

    for stride in (1, 2):
        large = net(16, 24, stride)
        for threads in (1, 2):
            engine = Engine(large, threads)
            engine._emitter.program.alone = 0
            assert (
                engine.plan.choices["conv"].source == Source.EXTERNAL and "Fermat kernels" in engine.explain()
            )
            for count in (1, 6):
                x = nets.images(large, 6)[:count]
                assert np.array_equal(engine(x), run(large, x))
    assert Engine(net(1, 8, 1)).plan.choices["conv"].source == Source.WEIGHTED


def test_what_a_layer_outside_raises_is_raised():
    net = nets.long_sums()
    engine = Engine(net, kernel="fermat")
    engine._emitter.failed.append(InputError("no memory"))
    with pytest.raises(InputError, match=r"^no memory$"):
        engine(nets.images(net))
    assert np.array_equal(engine(nets.images(net)), run(net, nets.images(net)))


def test_fused_and_explained():
    """Elementwise layers leave no operation of their own, and every layer stands in the explanation, with
    times where images are given.
    """
    net = samples.digits_like()
    engine = Engine(net)
    assert len(engine.plan.operations) == 7  # four convolutions, pool, sum, dense
    text = engine.explain()
    assert all(node.name in text for node in net.nodes)
    assert text.splitlines()[0].startswith(f"form {engine.form}, 1 thread,") and " us  " not in text
    assert engine.explain(nets.images(net)).count(" us  ") == 7


@pytest.mark.parametrize("build", [samples.digits_like, samples.everything, nets.joins, nets.long_sums])
def test_memory(build):
    """Tensors that live at the same time lie apart, all inside the memory, and later ones take the place of
    earlier ones.
    """
    engine = Engine(build())
    images = engine._emitter.chunk
    stored = [s for s in engine.plan.stored.values() if s.storage.kind != Kind.RESULT]
    for a, b in itertools.combinations(stored, 2):
        if a.first <= b.last and b.first <= a.last:
            assert a.offset + a.image * images <= b.offset or b.offset + b.image * images <= a.offset, (
                a.name,
                b.name,
            )
    assert max(s.offset + s.image * images for s in stored) < engine.memory
    assert engine.memory < sum(s.image * images + 128 for s in stored) + 256
    assert Engine(build(), threads=2, batch=images).memory == 2 * engine.memory


def test_reuse_of_memory():
    assert Engine(samples.digits_like(size=16), batch=16).memory < sum(
        s.image * 16 for s in Engine(samples.digits_like(size=16)).plan.stored.values()
    )
