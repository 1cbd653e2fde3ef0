"""A sum of two scales from its table of all pairs: a plain form, a corrected one, a table; all exact."""

import numpy as np
import pytest

from fermatnet.model.exchange.pairs import joined_sum
from fermatnet.model.network import Network, run
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.inputs import Input

LO, HI = -128, 127
CLIP = (-128, 127)


def table(scales, change=0):
    a, b = np.meshgrid(np.arange(LO, HI + 1), np.arange(LO, HI + 1), indexing="ij")
    want = np.clip(np.rint(a * scales[0] + b * scales[1]).astype(np.int64) + 3, *CLIP)
    rng = np.random.default_rng(change)
    for _ in range(change):
        i, j = rng.integers(100, 150, 2)
        want[i, j] += 1
    return want


def network(scales, want):
    """A network of two inputs that computes the table, and its last layer's kind."""
    builder = Builder((1, 1, 1), (LO, HI))
    builder.types["second"] = builder.types["image"]
    name = joined_sum(builder, "sum", ("image", "second"), scales, want, CLIP)
    more = (Input("second", (1, 1, 1), LO, HI),)
    net = Network(builder.nodes, (1, 1, 1), (LO, HI), output=name, more_inputs=more)
    return net, type(builder.nodes[-1]).__name__


@pytest.mark.parametrize(
    ("change", "kind"), [(0, "Affine"), (3, "Requantize"), (200, "Lookup")], ids=["plain", "few", "many"]
)
def test_every_pair_is_met(change, kind):
    scales = (0.2371, 0.5519)
    want = table(scales, change)
    net, found = network(scales, want)
    a, b = (grid.reshape(-1, 1, 1, 1) for grid in np.meshgrid(*[np.arange(LO, HI + 1)] * 2, indexing="ij"))
    got = run(net, {"image": a.astype(np.int8), "second": b.astype(np.int8)}, batch=1 << 16)
    np.testing.assert_array_equal(got.reshape(want.shape), want)
    assert found == kind
