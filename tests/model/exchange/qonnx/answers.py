"""What a QONNX file's import must give: float64's own values, or one line that names the thing."""

import numpy as np
import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.qonnx.importer import import_qonnx
from fermatnet.model.network import run

IMAGES = np.random.default_rng(3).integers(0, 256, (12, 8, 8, 8)).astype(np.uint8)


def reals(path, images=IMAGES, **options):
    net = import_qonnx(path, **options)
    return run(net, images) * float(net.meta["output_scale"])


def equal(path, want, images=IMAGES, **options):
    """The network's integers are the float64 values in its unit, which must be whole numbers but for
    float64's own noise."""
    net = import_qonnx(path, **options)
    exact = want / float(net.meta["output_scale"])
    np.testing.assert_array_equal(run(net, images), np.round(exact))
    assert np.abs(exact - np.round(exact)).max() < 1e-6


def refused(path, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        import_qonnx(path, **options)
    assert "\n" not in str(caught.value)
