"""Rival quantizers: forward and straight-through gradients against their papers' formulas in numpy; every
method trains a step."""

import numpy as np
import pytest
import torch

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.nn.baselines.bases import AbcActivation, AbcWeight, _AbcActivation
from fermatnet.model.nn.baselines.bits import DorefaActivation, DorefaWeight
from fermatnet.model.nn.baselines.learned import LearnedWeight
from fermatnet.model.nn.baselines.signs import SignWeight, approximate_sign, clipped_sign
from fermatnet.model.nn.baselines.ternary import TernaryWeight, TrainedTernaryWeight
from fermatnet.model.nn.scheme import methods, scheme


def grads(function, *values):
    tensors = [torch.tensor(value, dtype=torch.float32, requires_grad=True) for value in values]
    g = torch.randn(tensors[0].shape, generator=torch.Generator().manual_seed(9))
    out = function(*tensors)
    out.backward(g)
    return out.detach().numpy(), g.numpy(), [tensor.grad.numpy() for tensor in tensors]


X = np.random.default_rng(0).normal(0, 0.8, (6, 4, 3, 3)).astype(np.float32)


def test_signs():
    out, g, (gx,) = grads(clipped_sign, X)
    np.testing.assert_array_equal(out, np.where(X >= 0, 1, -1))
    np.testing.assert_array_equal(gx, g * (np.abs(X) <= 1))
    _, g, (gx,) = grads(approximate_sign, X)
    np.testing.assert_allclose(gx, g * np.clip(2 - 2 * np.abs(X), 0, None), rtol=1e-6)


def test_xnor_weight():
    out, g, (gx,) = grads(SignWeight(), X)
    alpha = np.abs(X).mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(out, alpha * np.where(X >= 0, 1, -1), rtol=1e-6)
    inner = (g * np.where(X >= 0, 1, -1)).sum((1, 2, 3), keepdims=True) / X[0].size * np.sign(X)
    np.testing.assert_allclose(gx, g * alpha * (np.abs(X) <= 1) + inner, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bases", [1, 3, 5])
def test_abc_weight_is_the_least_squares_fit(bases):
    module = AbcWeight(bases)
    out, g, (gx,) = grads(module, X)
    u = np.linspace(-1, 1, bases) if bases > 1 else np.zeros(1)
    b = np.stack([np.where(X.ravel() - X.mean() + value * X.std() >= 0, 1.0, -1.0) for value in u])
    alpha = np.linalg.lstsq(b.T, X.ravel(), rcond=None)[0]
    np.testing.assert_allclose(out.ravel(), alpha @ b, atol=2e-3)
    np.testing.assert_allclose(gx, g * alpha.sum(), rtol=2e-3, atol=1e-4)


def test_abc_activation():
    module = AbcActivation(3)
    v, beta = module.v.detach().numpy(), np.array([0.5, 0.3, 0.4], np.float32)
    out, g, (gx, gv, gb) = grads(_AbcActivation.apply, X, v, beta)
    h = [np.where(X + value >= 0.5, 1, -1) for value in v]
    window = [((X + value >= 0) & (X + value <= 1)) for value in v]
    np.testing.assert_allclose(out, sum(b * s for b, s in zip(beta, h, strict=True)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        gx, g * sum(b * s for b, s in zip(beta, window, strict=True)), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        gv, [(g * s).sum() * b for b, s in zip(beta, window, strict=True)], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(gb, [(g * s).sum() for s in h], rtol=1e-4, atol=1e-4)


def test_ternary():
    out, g, (gx,) = grads(TernaryWeight(), X)
    kept = np.abs(X) > 0.7 * np.abs(X).mean()
    np.testing.assert_allclose(out, np.abs(X)[kept].mean() * kept * np.sign(X), rtol=1e-5)
    np.testing.assert_array_equal(gx, g)
    module = TrainedTernaryWeight()
    module(torch.tensor(X))
    out, g, (gx,) = grads(module, X)
    limit = 0.05 * np.abs(X).max()
    p, n = X[X > limit].mean(), -X[X < -limit].mean()
    np.testing.assert_allclose(out, np.where(X > limit, p, np.where(X < -limit, -n, 0)), rtol=1e-5)
    np.testing.assert_allclose(gx, g * np.where(X > limit, p, np.where(X < -limit, n, 1)), rtol=1e-5)
    np.testing.assert_allclose(
        module.alpha.grad.numpy(), [g[X > limit].sum(), -g[X < -limit].sum()], rtol=1e-4
    )


def test_dorefa():
    out, _, _ = grads(DorefaWeight(2), X)
    t = np.tanh(X)
    np.testing.assert_allclose(out, 2 * np.round((t / (2 * np.abs(t).max()) + 0.5) * 3) / 3 - 1, atol=1e-6)
    out, g, (gx,) = grads(DorefaActivation(2), X)
    np.testing.assert_allclose(out, np.round(np.clip(X, 0, 1) * 3) / 3, atol=1e-6)
    np.testing.assert_allclose(gx, g * ((X >= 0) & (X <= 1)), atol=1e-6)


def test_learned_basis_approaches_the_least_error():
    module = LearnedWeight(2).train()
    w = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    for _ in range(100):
        module(w)
    # the optimal 4-level quantizer of a Gaussian has 0.1175
    assert float((module(w) - w).pow(2).mean()) < 0.122
    assert len(torch.unique(module.eval()(w))) == 4


@pytest.mark.parametrize("name", sorted(methods()))
def test_every_method_builds_and_trains_one_step(name):
    torch.manual_seed(0)
    net = zoo.build("digits", how=scheme(name))
    images = torch.randint(0, 17, (8, 1, 8, 8), dtype=torch.uint8)
    loss = torch.nn.functional.cross_entropy(net(images), torch.arange(8))
    loss.backward()
    assert bool(torch.isfinite(loss)) and all(
        bool(torch.isfinite(p.grad).all()) for p in net.parameters() if p.grad is not None
    )
    assert net.conv1.weight.grad is not None and float(net.conv1.weight.grad.abs().sum()) > 0
    assert net.conv0.weight.grad is not None and float(net.conv0.weight.grad.abs().sum()) > 0
    assert net.eval()(images).shape == (8, 10)


@pytest.mark.parametrize(
    "name, weights, activations",
    [
        ("pa", 3, 5),
        ("pa", 4, 200),
        ("xnor", 2, 1),
        ("twn", 3, 0),
        ("dorefa", 40, 2),
        ("pact", 7, 2),
        ("pact", 2, 9),
        ("lsq", 1, 4),
        ("lsq", 4, 9),
        ("pa", -2, 3),
        ("none", 1, 1),
        ("lq", 2, 9),
    ],
)
def test_impossible_schemes_are_refused(name, weights, activations):
    with pytest.raises(InputError):
        scheme(name, weights=weights, activations=activations)
