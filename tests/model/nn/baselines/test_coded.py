"""LSQ, PACT and SAWB against their papers' formulas in float64 and against autograd of another derivation;
steps of few bits; what the integers mean."""

import numpy as np
import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.lsq import LsqActivation, LsqWeight
from fermatnet.model.nn.baselines.pact import PactActivation, SawbWeight
from fermatnet.model.nn.coded import MANTISSA_BITS, exact_step, few_bits

X = np.random.default_rng(0).normal(0, 0.8, (6, 4, 3, 3))


def rounded(x):
    """A step held to few bits, by another way: the nearest of all that there are."""
    power = np.floor(np.log2(x))
    grid = np.arange(2 ** (MANTISSA_BITS - 1), 2**MANTISSA_BITS + 1) * 2.0 ** (power - MANTISSA_BITS + 1)
    return grid[np.abs(grid - x).argmin()]


def passed(module, x):
    """(output, gradient that came in, gradient of the input), numpy float64."""
    tensor = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    g = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(9))
    out = module(tensor)
    out.backward(g)
    return out.detach().double().numpy(), g.double().numpy(), tensor.grad.double().numpy()


def test_steps_of_few_bits():
    steps = torch.exp2(torch.linspace(-20, 9, 4001, dtype=torch.float64))
    factor, exponent = few_bits(steps)
    assert int(factor.max()) < 1 << MANTISSA_BITS and bool((factor % 2 == 1).all())
    value = factor.double() * torch.exp2(-exponent.double())
    np.testing.assert_array_equal(value.numpy(), [rounded(x) for x in steps.numpy()])
    assert float((value / steps - 1).abs().max()) <= 2.0**-MANTISSA_BITS
    parameter = torch.tensor(0.3, requires_grad=True)
    exact_step(parameter).backward()
    assert float(parameter.grad) == 1.0


def test_steps_that_are_too_small_or_too_large_or_none():
    steps = torch.tensor([0.0, 1e-30, 2.0**-40, 2.0**20, 1e30, float("inf"), float("nan")])
    factor, exponent = few_bits(steps)
    assert factor.tolist() == [1] * 7 and exponent.tolist() == [40, 40, 40, -20, -20, -20, 0]
    assert exact_step(steps[:-1]).tolist() == [2.0**-40] * 3 + [2.0**20] * 3
    assert bool(torch.isnan(exact_step(steps[-1])))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_lsq_weight(bits):
    """Equations 1 to 3 and 5, the gradient's scale, and the start, in numpy float64."""
    module, high = LsqWeight(bits), 2 ** (bits - 1) - 1
    low = -min(high + 1, 127)
    module(torch.tensor(X, dtype=torch.float32))
    start = 2 * np.abs(X).mean() / np.sqrt(high)
    assert float(module.learned_step.detach()) == pytest.approx(start, rel=1e-6)
    module.learned_step.data.fill_(start * 0.4)  # so that some are clipped
    out, g, gx = passed(module, X)
    s = rounded(start * 0.4)
    ratio = X / s
    np.testing.assert_allclose(out, np.clip(np.floor(ratio + 0.5), low, high) * s, rtol=1e-6)
    inside = (ratio > low) & (ratio < high)
    assert bits == 8 or 0 < inside.mean() < 1
    np.testing.assert_allclose(gx, g * inside, rtol=1e-6)
    slope = np.where(inside, np.floor(ratio + 0.5) - ratio, np.clip(ratio, low, high))
    want = (g * slope).sum() / np.sqrt(X.size * high)
    assert float(module.learned_step.grad) == pytest.approx(want, rel=1e-4, abs=1e-6)


def test_lsq_weight_a_channel():
    whole, rows = LsqWeight(4, channels=6), [LsqWeight(4) for _ in range(6)]
    w = torch.tensor(X, dtype=torch.float32)
    g = torch.randn(w.shape, generator=torch.Generator().manual_seed(3))
    whole(w).backward(g)
    for c, row in enumerate(rows):
        out = row(w[c : c + 1])
        out.backward(g[c : c + 1])
        assert torch.equal(whole(w)[c], out[0])
        assert float(whole.learned_step.grad[c]) == pytest.approx(float(row.learned_step.grad), rel=1e-5)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_lsq_activation_by_autograd_of_another_derivation(bits):
    """v^ = clip(v / s, 0, Q) s plus the rounding error as a constant times s, as the straight-through
    estimator has it: float64 autograd gives equations 3 and 5."""
    module, top = LsqActivation(bits), 2**bits - 1
    module(torch.tensor(X, dtype=torch.float32))
    start = 2 * np.maximum(X, 0).mean() / np.sqrt(top)
    assert float(module.learned_step.detach()) == pytest.approx(start, rel=1e-5)
    module.learned_step.data.fill_(start * 0.3)
    out, g, gx = passed(module, X)
    v = torch.tensor(X, requires_grad=True)
    s = torch.tensor(rounded(start * 0.3), requires_grad=True)
    bounded = (v / s).clamp(0, top)
    wanted = (bounded + (torch.floor(bounded + 0.5) - bounded).detach()) * s
    wanted.backward(torch.tensor(g))
    np.testing.assert_allclose(out, wanted.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(gx, v.grad.numpy(), rtol=1e-5, atol=1e-7)
    scale = 1 / np.sqrt(X[0].size * top)
    assert float(module.learned_step.grad) == pytest.approx(float(s.grad) * scale, rel=1e-4, abs=1e-6)


def test_pact():
    module = PactActivation(2, start=1.1)
    out, g, gx = passed(module, X)
    a = rounded(1.1 / 3) * 3
    np.testing.assert_allclose(out, np.floor(np.clip(X, 0, a) * 3 / a + 0.5) * a / 3, rtol=1e-6)
    np.testing.assert_allclose(gx, g * ((X >= 0) & (X < a)))
    assert float(module.clip.grad) == pytest.approx((g * (X >= a)).sum(), rel=1e-4)


@pytest.mark.parametrize("bits, c1, c2", [(2, 3.12, -2.064), (3, 7.509, -6.892), (4, 12.68, -12.80)])
def test_sawb(bits, c1, c2):
    out, g, gx = passed(SawbWeight(bits), X)
    top = 2**bits - 1
    a = rounded((c1 * np.sqrt((X**2).mean()) + c2 * np.abs(X).mean()) / top) * top
    levels = np.linspace(-a, a, top + 1)
    nearest = levels[np.abs(X[..., None] - levels).argmin(-1)]
    np.testing.assert_allclose(out, nearest, rtol=1e-6)
    np.testing.assert_allclose(gx, g * (np.abs(X) <= a))


@pytest.mark.parametrize(
    "make", [lambda: SawbWeight(4), lambda: LsqWeight(4), lambda: LsqWeight(8, channels=6)]
)
def test_the_forward_pass_is_the_integers(make):
    module, w = make(), torch.tensor(X, dtype=torch.float32)
    out = module(w)
    integers, exponent = module.integers(w)
    assert torch.equal(out.double(), integers.double() * torch.exp2(-exponent.double()).view(-1, 1, 1, 1))
    codes, factor, same = module.parts(w)
    assert torch.equal(codes * factor.view(-1, 1, 1, 1), integers) and torch.equal(same, exponent)
    assert int(codes.abs().max()) < 1 << module.bits


@pytest.mark.parametrize("module", [LsqActivation(4), PactActivation(8)])
def test_activations_in_evaluation_are_their_codes(module):
    x = torch.tensor(X)
    module.calibrate(x)
    module.eval()
    levels, exponent = module.levels()
    assert torch.equal(module(x), levels[module.index(x)] * torch.exp2(-exponent.double()))
    assert int(module.index(x).min()) == 0 and len(levels) == module.n + 1
    module.ceiling = 0.5
    assert torch.equal(module.index(x), module.index(x.clamp(max=0.5)))


@pytest.mark.parametrize(
    "make", [lambda: LsqWeight(1), lambda: LsqActivation(9), lambda: PactActivation(0), lambda: SawbWeight(5)]
)
def test_impossible_bits_are_refused(make):
    with pytest.raises(InputError, match="bits"):
        make()
