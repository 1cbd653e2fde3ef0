"""Integer quantizers: forward against numpy, gradients against finite differences and their formulas,
ranges."""

import numpy as np
import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.nn.fixed_point import BatchNorm, FixedNorm, Rescale, exact_affine
from fermatnet.model.nn.rounding import power_of_two, uniform
from fermatnet.model.nn.uniform import UniformActivation, UniformWeight, fitting_step, integer_range


@pytest.mark.parametrize("lo, hi", [(-127, 127), (0, 255), (-3, 12)])
def test_uniform_forward_and_gradients(lo, hi):
    rng = np.random.default_rng(0)
    x, step, g = rng.normal(0, 40, (6, 50)), 0.37, rng.normal(size=(6, 50))
    tx, ts = torch.tensor(x, requires_grad=True), torch.tensor(step, dtype=torch.float64, requires_grad=True)
    y = uniform(tx, ts, lo, hi)
    y.backward(torch.tensor(g))
    q = np.clip(np.floor(x / step + 0.5), lo, hi)
    np.testing.assert_allclose(y.detach().numpy(), q * step)
    inside = (x / step >= lo) & (x / step <= hi)
    np.testing.assert_array_equal(tx.grad.numpy(), g * inside)
    dstep = np.where(inside, np.floor(x / step + 0.5) - x / step, np.clip(x / step, lo, hi))
    np.testing.assert_allclose(float(ts.grad), (g * dstep).sum(), rtol=1e-9)


def test_step_is_a_power_of_two_with_the_gradient_of_the_logarithm():
    p = torch.tensor(-3.4, requires_grad=True)
    step = power_of_two(p)
    step.backward()
    assert step.item() == 2.0**-3
    assert float(p.grad) == pytest.approx(2.0**-3 * np.log(2))


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("channels", [0, 12])
@pytest.mark.parametrize("symmetric", [True, False])
def test_weights_are_what_they_export(bits, channels, symmetric):
    w = torch.randn(12, 5, 3, 3, generator=torch.Generator().manual_seed(0)) * 0.1 + (
        0.0 if symmetric else 0.08
    )
    quantizer = UniformWeight(bits, channels=channels, symmetric=symmetric)
    integers, exponent = quantizer.integers(w)
    lo, hi = quantizer.bounds()
    assert int(integers.min()) >= lo and int(integers.max()) <= hi and hi - lo < 1 << bits
    unit = torch.exp2(-exponent.double()).view(-1, 1, 1, 1)
    assert torch.equal(quantizer(w).double(), integers * unit)
    # calibrated: nothing is clipped
    assert float((quantizer(w) - w).detach().abs().max()) <= float(unit.max()) / 2 * (1 + 1e-6)
    assert symmetric or quantizer.zero_point != 0


def test_activation_calibrates_on_its_first_batch_and_keeps_zero_exact():
    x = torch.randn(4, 3, 20, 20, generator=torch.Generator().manual_seed(0)).abs() * 3
    unsigned = UniformActivation(8, signed=False)
    assert float((unsigned(x) - x).detach().abs().quantile(0.99)) <= 2.0 ** -unsigned.exponent() / 2
    shifted = UniformActivation(8, signed=False, zero_point=100)
    assert (shifted.lo, shifted.hi) == (-100, 155) and float(shifted(torch.zeros(1))) == 0.0


def test_batch_norm_evaluates_in_float64_as_written():
    norm = BatchNorm(3)
    for _ in range(3):
        norm(torch.randn(8, 3, 5, 5) * 4 + 1)
    norm.eval()
    x = torch.randn(2, 3, 4, 4)
    mean, gain, offset = (value.detach().numpy()[:, None, None] for value in exact_affine(norm))
    np.testing.assert_array_equal(norm(x).detach().numpy(), (x.double().numpy() - mean) * gain + offset)
    assert torch.allclose(
        norm(x).float(),
        torch.nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias),
        atol=1e-5,
    )


@pytest.mark.parametrize("signed", [True, False])
def test_fixed_norm_is_integer_arithmetic_close_to_the_real_norm(signed):
    torch.manual_seed(0)
    norm = FixedNorm(4, bits=10, fraction=5, signed=signed)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    for _ in range(5):
        norm(torch.randn(16, 4, 6, 6) * 2 + 0.5)
    norm.eval()
    n = torch.randint(-3000, 3000, (4, 4, 6, 6))
    with torch.no_grad():
        got = norm(n * 2.0**-9)
    multiplier, offset, e = norm.constants()
    shift = e + 9 - 5
    want = ((n * multiplier.view(1, -1, 1, 1) + (offset.view(1, -1, 1, 1) << shift - 4)) >> shift).clamp(
        norm.lo, norm.hi
    )
    assert torch.equal(got.double() * 32, want.double())
    gain, shift_real = norm.real_affine()
    real = n * 2.0**-9 * gain.view(1, -1, 1, 1) + shift_real.view(1, -1, 1, 1)
    assert float((got - real.clamp(norm.lo / 32, norm.hi / 32)).abs().max()) < 0.55 / 32


def test_rescale_divides_by_an_area():
    layer = Rescale(1 / 49, bits=8, fraction=4)
    x = torch.randint(-400, 400, (3, 5, 1, 1)) * 0.125
    assert float((layer.eval()(x) - x / 49).abs().max()) <= 2.0**-5 + 2.0**-10


def test_widths_outside_the_range_are_refused():
    for bits in (1, 25):
        with pytest.raises(InputError):
            integer_range(bits)
    with pytest.raises(InputError):
        UniformActivation(8, zero_point=500)


def test_steps_of_batches_that_do_not_fill_the_range():
    """Unsigned: what is rectified away does not count. Nothing left, or nothing at all: still a usable
    step."""
    x = torch.tensor([-100.0, -3.0, 0.5, 0.9])
    assert fitting_step(x, 0, 255) == -8  # 255 * 2^-8 holds 0.9; -100 is cut off anyway
    assert fitting_step(x, -128, 127) == 0  # 100 needs a step of 1
    assert fitting_step(-x.abs(), 0, 255) == -1  # nothing passes: magnitudes up to 100 decide
    # values up to 1
    assert fitting_step(torch.zeros(5), 0, 255) == -7 and fitting_step(torch.zeros(5), -128, 127) == -7


def test_a_step_that_no_data_has_set_is_told():
    with pytest.raises(InputError, match="a fixed-point layer has no step yet"):
        FixedNorm(2, bits=8, fraction=None, signed=False).constants()
