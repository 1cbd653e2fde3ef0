"""Untrained networks of the zoo."""

import numpy as np

from fermatnet.bench.samples.untrained import untrained
from fermatnet.model.network import run


def test_it_answers_differently_and_is_always_the_same():
    nets = [untrained("tfc", ("pa", 4, 5), (1, 28, 28), patch=4) for _ in range(2)]
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 7, 7)).repeat(4, 2).repeat(4, 3)
    first, second = (run(net, images.astype(np.uint8)) for net in nets)
    assert len(np.unique(first, axis=0)) == 20
    np.testing.assert_array_equal(first, second)
