"""Steps of least squared error: against a search over all steps in float64, from conversion to the file."""

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run
from fermatnet.model.nn.baselines.mmse import MmseActivation, MmseWeight, relative_error, step_of
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.scheme import scheme


def squared_error(x, step, lo, hi):
    return float(((np.clip(np.floor(x / step + 0.5), lo, hi) * step - x) ** 2).sum())


@pytest.mark.parametrize("bits, lo, hi", [(4, -8, 7), (4, 0, 15), (2, -2, 1), (8, -127, 127)])
@pytest.mark.parametrize("draw", ["normal", "laplace", "uniform"])
def test_no_other_step_is_better(bits, lo, hi, draw):
    """Against all steps of six bits tried in numpy; another 4000 show what the six bits cost."""
    x = getattr(np.random.default_rng(bits), draw)(size=1500) * 0.3
    if lo == 0:
        x = np.abs(x)
    step = float(step_of(torch.from_numpy(x[None]), lo, hi)[0])
    largest = float(step_of(torch.from_numpy(x[None]), lo, hi, largest=True)[0])
    found = squared_error(x, step, lo, hi)
    steps = [m * 2.0**k for m in range(32, 64) for k in range(-30, 10)]
    exact = [s for s in steps if largest / 16 <= s <= largest]
    assert found <= (1 + 1e-5) * min(squared_error(x, s, lo, hi) for s in exact)
    real = [squared_error(x, s, lo, hi) for s in np.geomspace(largest / 20, largest * 1.1, 4000)]
    assert found <= (1.05 if bits == 8 else 1.01) * min(real)
    assert abs(largest - max(x.max() / hi, x.min() / lo if lo else 0)) <= largest / 60
    rows, steps = torch.from_numpy(x[None]).float(), torch.tensor([step])
    assert np.isclose(
        relative_error(rows, steps, lo, hi), squared_error(x, step, lo, hi) / (x**2).sum(), rtol=1e-4
    )


def test_channels_have_steps_of_their_own_and_zeros_stay():
    w = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    w *= torch.tensor([0.01, 1.0, 3.0, 0.0, 200.0]).view(-1, 1, 1, 1)
    quantizer = MmseWeight(4, channels=5)
    made = quantizer(w)
    for c in (0, 1, 2, 4):
        alone = MmseWeight(4)(w[c : c + 1])
        assert torch.equal(made[c], alone[0]) and float(alone.abs().max()) > 0
    assert not made[3].any()
    codes, factor, exponent = quantizer.parts(w)
    assert -8 <= int(codes.min()) and int(codes.max()) <= 7
    assert torch.equal(made.double(), codes * (factor * 0.5**exponent).view(-1, 1, 1, 1))


def test_two_tensors_are_one_integer():
    """Every code of a dual layer is r q1 + q2 of two codes of 4 bits, and its error is far smaller."""
    w = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    single, dual = MmseWeight(4, channels=8), MmseWeight(4, channels=8, dual=0.0)
    wrong = [float((quantizer(w) - w).square().sum()) for quantizer in (single, dual)]
    assert (single.bits, dual.bits) == (4, 8) and wrong[1] < wrong[0] / 50
    sums = {15 * a + b for a in range(-8, 8) for b in range(-8, 8)}
    assert set(dual.codes(w).flatten().tolist()) <= sums
    assert MmseWeight(4, channels=8, dual=0.5)(w).equal(single(w))
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(2))
    one, two = MmseActivation(4), MmseActivation(4, dual=0.0)
    errors = []
    for module in (one, two):
        module.calibrate(x)
        errors.append(float((module.eval()(x) - x.clamp(min=0)).square().sum()))
    assert (one.n, two.n) == (15, 255) and errors[1] < errors[0] / 50
    assert max(two.index(x).flatten().tolist()) <= 16 * 15 + 15


def test_gradients_pass_inside_the_range():
    quantizer = MmseWeight(4)
    quantizer.fixed_step.fill_(0.5)
    w = torch.tensor([-4.5, -4.0, -0.3, 0.0, 3.5, 3.6], requires_grad=True)
    quantizer(w).backward(torch.arange(1.0, 7))
    assert w.grad.tolist() == [0, 2, 3, 4, 5, 0]
    activation = MmseActivation(2)
    activation.fixed_step.fill_(1.0)
    x = torch.tensor([-0.1, 0.0, 1.2, 3.0, 3.1], requires_grad=True)
    activation.train()(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("name", ["mmse", "mmse-dual", "minmax", "minmax-tensor"])
def test_a_trained_network_is_quantized_and_exported_exactly(name):
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False),
        nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10),
    )  # fmt: skip
    images = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8)
    twin, _ = convert(model, scheme(name), (1, 8, 8), images=images)
    net = export(twin, (1, 8, 8))
    assert (run(net, images.numpy()) == integer_logits(twin, images).numpy()).all()
    again, _ = convert(model, scheme(name), (1, 8, 8), images=images)
    again.load_state_dict(twin.state_dict())
    assert torch.equal(integer_logits(again, images), integer_logits(twin, images))


def test_bits_that_it_does_not_take():
    with pytest.raises(InputError, match="an MMSE weight takes 2 to 8 bits, not 9"):
        scheme("mmse", weights=9)
    with pytest.raises(InputError, match="an MMSE activation takes 2 to 8 bits, not 1"):
        scheme("mmse", activations=1)
    assert MmseWeight(6, dual=0.0).dual is None  # two of more than 4 bits pass the hardware's 8
