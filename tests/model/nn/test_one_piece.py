"""One-bit activations: their values exactly, their gradient against the staircase written out."""

import numpy as np
import pytest
import torch

from fermatnet.model.nn import kernels
from fermatnet.model.nn.one_piece import REACH, TAPER, tapered_step
from fermatnet.model.nn.piecewise import PiecewiseActivation

V, BETA, SLOPE = 0.37, 1.3, 1.7


def by_the_book(x, g, reach):
    """(values, dC/dx, dC/dv, dC/dbeta), in numpy."""
    on = x >= V
    # cells are half-open: the distance below the end-point counts from the cell's left end
    cell = np.floor((x - V) / (reach / TAPER)) + 0.5
    height = np.clip(1 - np.abs(cell) / TAPER, 0, None)
    gx = g * SLOPE * BETA * height
    return on * BETA, gx, -gx.sum(), g[on].sum()


@pytest.mark.parametrize("compiled", [True, False])
def test_values_and_gradients(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(kernels, "compiled", lambda: None)
    rng = np.random.default_rng(0)
    x, g = rng.normal(0.2, 1.0, (4, 3, 5, 7)), rng.normal(size=(4, 3, 5, 7))
    x.flat[0] = V  # on the end-point: the piece on the right
    for dtype, close in ((torch.float64, 1e-12), (torch.float32, 2e-5)):
        a, v, beta = (torch.tensor(one, dtype=dtype, requires_grad=True) for one in (x, [V], [BETA]))
        y = tapered_step(a, v, beta, lambda_a=SLOPE, reach=1.5)
        y.backward(torch.tensor(g, dtype=dtype))
        want, gx, gv, gbeta = by_the_book(a.detach().double().numpy(), g, 1.5)
        np.testing.assert_array_equal(y.detach().numpy() > 0, want > 0)
        found = [a.grad.numpy(), v.grad.numpy()[0], beta.grad.numpy()[0]]
        for one, expected in zip(found, (gx, gv, gbeta), strict=True):
            np.testing.assert_allclose(
                one, expected, rtol=1e-4 if dtype == torch.float32 else 1e-9, atol=close
            )


def test_reach_and_height_of_the_layer():
    """About the triangle of the same reach: the same area, and its slope at every step's middle."""
    layer = PiecewiseActivation(1).double()
    x = torch.linspace(-3, 3, 60_001, dtype=torch.float64, requires_grad=True)
    layer(x).sum().backward()
    levels, exponent = layer.levels()
    v, top = layer.v.item(), layer.lambda_a * float(levels[1] * 2.0**-exponent)
    triangle = (top * (1 - (x.detach() - v).abs() / REACH)).clamp(min=0)
    assert abs(float((x.grad - triangle).mean())) < 1e-4 * top
    assert float((x.grad - triangle).abs().max()) < top / TAPER / 2 + 1e-3
