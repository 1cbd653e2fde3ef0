"""Networks of the zoo as they are exported, and an imported one: equal integers."""

import numpy as np
import pytest

from fermatnet.model.network import run
from fermatnet.runtime import Engine

from . import nets

pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not nets.forms(), reason="no C++ compiler")


@pytest.mark.parametrize(
    ("name", "shape", "pieces"),
    [
        ("digits", (1, 8, 8), (4, 5)),
        ("small-resnet", (1, 28, 28), (2, 1)),
        ("small-resnet", (3, 32, 32), (8, 7)),
        ("tfc", (1, 28, 28), (4, 3)),
        ("cnv", (3, 32, 32), (2, 1)),
    ],
)
def test_zoo(name, shape, pieces):
    from fermatnet.bench.runtime.networks import binary, quantized

    net = quantized(name, shape, *pieces)
    for network in (net, binary(net)) if pieces == (2, 1) else (net,):
        x = nets.images(network, 3)
        wanted = run(network, x)
        for form in nets.forms():
            assert np.array_equal(Engine(network, 2, form=form)(x), wanted), form


def test_int8():
    """Nothing piecewise: byte products, signed and unsigned."""
    from fermatnet.bench.runtime.networks import _settled
    from fermatnet.model import zoo
    from fermatnet.model.exchange.export import export
    from fermatnet.model.nn.scheme import scheme

    shape = (1, 28, 28)
    net = export(_settled(zoo.build("small-resnet", how=scheme("int8"), shape=shape), shape), shape)
    x = nets.images(net, 3)
    wanted = run(net, x)
    for form in nets.forms():
        assert np.array_equal(Engine(net, form=form)(x), wanted), form
