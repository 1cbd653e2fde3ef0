"""Networks with drawn weights that are set on images."""

import numpy as np

from fermatnet.bench.samples.calibrated import calibrated
from fermatnet.bench.samples.shapes import pa_resnet
from fermatnet.model.network import run
from fermatnet.model.network.reference import activations


def test_outputs_differ_from_image_to_image():
    net = pa_resnet((2, 6, 6), (4,), (1,), classes=3, seed=2)
    images = np.random.default_rng(0).integers(0, 256, (40, *net.input_shape)).astype(np.uint8)
    assert len(np.unique(run(net, images), axis=0)) < 20  # the weights as they are drawn
    found = calibrated(net, images)
    assert len(np.unique(run(found, images), axis=0)) == 40
    values = dict(activations(found, images))
    for node in found.nodes:
        if type(node).__name__ == "Threshold":  # every index about as often as another
            shares = np.bincount(values[node.name].ravel()) / values[node.name].size
            assert len(shares) == node.thresholds.shape[1] + 1 and np.all(shares > 0.5 / len(shares))
    for before, after in zip(net.nodes, found.nodes, strict=True):
        assert before.name == after.name and before.inputs == after.inputs
