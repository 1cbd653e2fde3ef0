"""Piecewise approximation against equations 3.6-3.14 evaluated element by element in plain numpy."""

import math

import numpy as np
import pytest
import torch

from fermatnet.model.errors import InputError
from fermatnet.model.nn import kernels
from fermatnet.model.nn.levels import _on_device, activation_step, fixed_levels, weight_endpoints
from fermatnet.model.nn.piecewise import (
    PiecewiseActivation,
    PiecewiseWeight,
    piecewise_activation,
    piecewise_weight,
)
from fermatnet.model.nn.scheme import scheme


def weight_by_the_book(w, k, lambda_w):
    """(W~, dW~/dW) of (3.6)-(3.9), numbered from 1 as printed."""
    m = len(k)
    mean, std = w.mean(), w.std()
    u = [None, *(mean + np.array(k) * std)]
    half = m // 2
    masks = {}
    for i in range(1, m + 1):
        if i == 1:
            masks[i] = w < u[1]
        elif i <= half:
            masks[i] = (w >= u[i - 1]) & (w < u[i])
        elif i < m:
            masks[i] = (w >= u[i]) & (w < u[i + 1])
        else:
            masks[i] = w >= u[m]
    alpha = {i: w[masks[i]].mean() for i in masks}
    value = sum(alpha[i] * masks[i] for i in masks)
    s = [None, *[(u[i] + u[i + 1]) / 2 for i in range(1, m)]]
    slope = np.zeros_like(w)
    for i in range(1, m + 1):
        inside = (w >= (s[i - 1] if i > 1 else -np.inf)) & (w < (s[i] if i < m else np.inf))
        # the step of region i: alpha_i -> alpha_{i+1} left of zero, into and out of the zero level in the
        # middle, alpha_{i-1} -> alpha_i right
        before = 0.0 if i == half + 1 else alpha[i] if i <= half else alpha[i - 1]
        after = 0.0 if i == half else alpha[i + 1] if i < half else alpha[i]
        slope[inside] = lambda_w / std * (after - before)
    return value, slope


def activation_by_the_book(a, v, beta, lambda_a, lambda_delta, g):
    """(A~, dC/dA, dC/dv, dC/dbeta) of (3.10)-(3.14), the sign of (3.14) mended."""
    n = len(v)
    v1, b1 = [None, *v], [0.0, *beta]
    t = {i: (v1[i] + v1[i + 1]) / 2 for i in range(1, n)}
    t[n] = v1[n] + lambda_delta
    t[0] = 2 * v1[1] - t[1]
    out, ga, gv, gb = np.zeros_like(a), np.zeros_like(a), np.zeros(n), np.zeros(n)
    for at in np.ndindex(a.shape):
        for i in range(1, n + 1):
            if a[at] >= v1[i] and (i == n or a[at] < v1[i + 1]):
                out[at] = b1[i]
                gb[i - 1] += g[at]
            if t[i - 1] <= a[at] < t[i]:
                step = lambda_a * (b1[i] - b1[i - 1])
                ga[at] = g[at] * step
                gv[i - 1] -= g[at] * step
    return out, ga, gv, gb


@pytest.mark.parametrize("m", [2, 4, 6, 8, 12])
def test_weights_follow_the_equations(m):
    rng = np.random.default_rng(m)
    w = rng.normal(0.02, 0.3, (16, 8, 3, 3))
    k = weight_endpoints(m)
    g = rng.normal(size=w.shape)
    want, slope = weight_by_the_book(w, k, 2.0)
    x = torch.tensor(w, requires_grad=True)
    got = piecewise_weight(x, torch.tensor(k, dtype=torch.float64), lambda_w=2.0, limit=0)
    got.backward(torch.tensor(g))
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), g * slope, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_activations_follow_the_equations(n):
    rng = np.random.default_rng(n)
    a = rng.normal(0.3, 1.0, (4, 3, 5, 5))
    v, beta = np.sort(rng.uniform(0.1, 2.0, n)), np.sort(rng.uniform(0.2, 2.5, n))
    a.flat[:n] = v  # exactly on the end-points: the piece on the right
    g = rng.normal(size=a.shape)
    want, ga, gv, gb = activation_by_the_book(a, v, beta, 1.7, 0.3, g)
    tensors = [torch.tensor(value, requires_grad=True) for value in (a, v, beta)]
    got = piecewise_activation(*tensors, lambda_a=1.7, lambda_delta=0.3)
    got.backward(torch.tensor(g))
    np.testing.assert_array_equal(got.detach().numpy(), want)
    for tensor, expected in zip(tensors, (ga, gv, gb), strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n, first, last", [(1, -0.89, 2.11), (3, 0.0, 0.65 * 3)])
def test_where_gradients_pass(n, first, last):
    """One step beyond the middle of the outer pieces; with one piece as far as 1.5 on both sides."""
    x = torch.linspace(-3, 3, 601, dtype=torch.float64, requires_grad=True)
    activation = PiecewiseActivation(n).double()
    activation(x).sum().backward()
    passed = x.detach()[x.grad != 0]
    assert abs(passed.min() - first) < 0.011 and abs(passed.max() - last) < 0.011


def test_raising_an_endpoint_lowers_the_output():
    """Why (3.14) needs its minus sign: the finite difference of the mean output is negative, and so is the
    gradient."""
    x = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    v, beta = (
        torch.tensor([0.3, 0.9], dtype=torch.float64, requires_grad=True),
        torch.tensor([0.6, 1.2], dtype=torch.float64),
    )
    piecewise_activation(x, v, beta, lambda_a=1.0 / 0.6, lambda_delta=0.3).mean().backward()
    for i in range(2):
        moved = v.detach().clone()
        moved[i] += 0.01
        difference = (
            piecewise_activation(x, moved, beta, lambda_a=1.0, lambda_delta=0.3)
            - piecewise_activation(x, v.detach(), beta, lambda_a=1.0, lambda_delta=0.3)
        ).mean()
        assert difference < 0 and v.grad[i] < 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_compiled_kernels_equal_the_torch_operators(layout, monkeypatch):
    x = torch.randn(8, 6, 9, 11, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)
    g = torch.randn(8, 6, 9, 11, generator=torch.Generator().manual_seed(2))
    module, weight = PiecewiseActivation(5), PiecewiseWeight(4)

    def everything():
        a = x.clone(memory_format=torch.preserve_format).requires_grad_()
        module.zero_grad()
        y = module(a)
        y.backward(g)
        w = x.clone(memory_format=torch.preserve_format).requires_grad_()
        z = weight(w)
        z.backward(g)
        return [y.detach(), a.grad, module.v.grad.clone(), module.beta.grad.clone(), z.detach(), w.grad]

    assert kernels.compiled() is not None
    fast = everything()
    monkeypatch.setattr(kernels, "compiled", lambda: None)
    slow = everything()
    for a, b, exact in zip(fast, slow, (True, True, False, False, True, True), strict=True):
        assert torch.equal(a, b) if exact else torch.allclose(a, b, rtol=1e-4)


def test_large_tensors_are_split_over_threads():
    x = torch.randn(1 << 20, generator=torch.Generator().manual_seed(3))
    boundaries = torch.linspace(-1, 1, 9)
    assert torch.equal(kernels.cells(x, boundaries).long(), torch.bucketize(x, boundaries, right=True))


def test_levels_are_integers_in_the_loop():
    module = PiecewiseActivation(5)
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 3
    integers, exponent = module.levels()
    assert integers[0] == 0 and bool((integers[1:] > integers[:-1]).all()) and int(integers.max()) <= 127
    y = module(x) * torch.exp2(exponent)
    assert set(y.detach().tolist()) == set(integers.tolist())
    assert torch.equal(module(x).detach(), (integers * torch.exp2(-exponent))[module.index(x)])

    weight = PiecewiseWeight(8)
    w = torch.randn(64, 16, 3, 3, generator=torch.Generator().manual_seed(0)) * 0.07
    codes, levels, k = weight.pieces(w)
    assert (
        torch.equal(weight(w), levels[codes.long()] * 2.0**-k)
        and levels[4] == 0
        and int(levels.abs().max()) > 54
    )


@pytest.mark.parametrize("limit", [3, 7, 127])
@pytest.mark.parametrize(
    "values", [[0.0, 1e-9, 2e-9], [0.0, 5.0, 5.0, 5.0], [0.0, 1e6, 2e6], [0.0, 64.0, 127.0, 127.4]]
)
def test_fixed_levels_are_strict_and_as_fine_as_the_range_allows(values, limit):
    integers, exponent = fixed_levels(torch.tensor(values), 0, limit)
    assert integers[0] == 0 and bool((integers[1:] > integers[:-1]).all()) and int(integers[-1]) <= limit
    unit = float(torch.exp2(exponent))
    finer = [0]
    for value in values[1:]:
        finer.append(max(round(2 * unit * value), finer[-1] + 1))
    assert finer[-1] > limit
    if limit == 127:
        assert abs(float(integers[-1]) / unit - values[-1]) <= 0.06 * values[-1]


def test_fixed_levels_on_both_sides_are_those_of_a_device():
    rng = torch.Generator().manual_seed(3)
    for case in range(200):
        levels = torch.randn(7, generator=rng).sort().values * 10 ** (case % 5 - 2)
        levels[3] = 0
        levels = levels.sort().values if case % 2 else levels
        pairs = zip(fixed_levels(levels, 3, 7), _on_device(levels, 3, 7), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_short_levels():
    how = scheme("pa-short", weights=4, activations=5)
    levels = how.activation().levels()[0]
    assert levels.tolist() == [0, 1, 2, 3, 4, 5]
    w = torch.randn(64, 16, 3, 3, generator=torch.Generator().manual_seed(0)) * 0.07
    _, levels, _ = how.weight(w.shape).pieces(w)
    assert levels.tolist() == [-8, -4, 0, 3, 8]
    with pytest.raises(InputError, match="weights of 32 pieces need levels up to 16 at least, not 15"):
        scheme("pa-short", weights=32)
    with pytest.raises(InputError, match="activations of 5 pieces need levels up to 5 at least, not 3"):
        PiecewiseActivation(5, limit=3)


@pytest.mark.parametrize("limit", [-1, 128, 3.5, "7"])
def test_a_limit_that_no_level_may_have(limit):
    for make in (PiecewiseActivation, PiecewiseWeight):
        with pytest.raises(InputError, match="the largest level must be an integer of 0 to 127, not"):
            make(4, limit=limit)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_levels_that_are_no_numbers_are_told(value):
    module = PiecewiseActivation(3)
    with torch.no_grad():
        module.beta[1] = value
    with pytest.raises(InputError, match="a level of a piecewise layer is nan or infinite"):
        module.levels()


def test_unordered_and_negative_parameters_still_make_a_valid_layer():
    module = PiecewiseActivation(3)
    with torch.no_grad():
        module.v.copy_(torch.tensor([1.0, 0.2, 0.6]))
        module.beta.copy_(torch.tensor([-0.1, 1.5, 0.7]))
    integers, _ = module.levels()
    assert bool((integers[1:] > integers[:-1]).all())
    assert bool((module.points()[1:] >= module.points()[:-1]).all())
    module(torch.randn(10)).sum().backward()
    assert module.v.grad is not None and bool(torch.isfinite(module.v.grad).all())


@pytest.mark.parametrize("n", range(1, 8))
def test_activation_steps_have_the_least_squared_error(n):
    """Of a rectified unit Gaussian, to 0.005."""
    x = np.linspace(0, 8, 40_001)
    steps = np.arange(0.2, 1.5, 0.005)
    errors = [
        float(np.sum((x - d * np.minimum(np.floor(x / d + 0.5), n)) ** 2 * np.exp(-x * x / 2))) for d in steps
    ]
    assert abs(activation_step(n) - steps[np.argmin(errors)]) < 0.0051


def test_defaults_are_near_the_optimum_on_a_gaussian():
    """Mean squared errors stated in the docs: 0.0801 (M = 4), 0.0349 (M = 8, table 3.1)."""
    w = torch.randn(1 << 20, generator=torch.Generator().manual_seed(5))
    for m, mse in ((4, 0.0801), (8, 0.0349)):
        error = (piecewise_weight(w, torch.tensor(weight_endpoints(m)), limit=0) - w).pow(2).mean()
        assert abs(float(error) - mse) < 5e-4
    assert activation_step(5) == 0.455


@pytest.mark.parametrize(
    "make",
    [
        lambda: PiecewiseWeight(3),
        lambda: PiecewiseWeight(0),
        lambda: PiecewiseActivation(0),
        lambda: PiecewiseActivation(127),
        lambda: PiecewiseWeight(4, k=(1.0, 0.0, 2.0, 3.0)),
        lambda: PiecewiseWeight(4, lambda_w=-1.0),
    ],
)
def test_impossible_counts_are_refused_at_construction(make):
    with pytest.raises(InputError):
        make()
