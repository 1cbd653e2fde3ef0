"""Post-training quantization: the function stays, steps are the best ones, a trained network keeps its
accuracy with few images."""

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.exchange.export import export
from fermatnet.model.network import run
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.fixed_point import FixedBias, FixedNorm, Rescale
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.layers import Conv2d, Linear
from fermatnet.model.nn.measure import ENOUGH, keeps_statistics, reestimate_norms
from fermatnet.model.nn.post_training.graph import groups
from fermatnet.model.nn.post_training.observe import observe, quantizers, real_arithmetic
from fermatnet.model.nn.post_training.ranges import best_exponent, best_steps
from fermatnet.model.nn.post_training.scales import apply_factors, choose_factors, scale_input, scale_output
from fermatnet.model.nn.post_training.weights import fill_channels
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.data import digits


class Block(nn.Module):
    """Pre-activation: norm, rectifier, two convolutions with norms, and the shortcut."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.down = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if inputs != outputs
            else None
        )

    def forward(self, x):
        a = self.first(x)
        return (x if self.down is None else self.down(a)) + self.branch(a)


class Residual(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.blocks = nn.Sequential(
            Block(width, width, 1), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2)
        )
        self.last = nn.Sequential(nn.BatchNorm2d(4 * width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.hidden, self.dense = nn.Linear(4 * width, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.dense(torch.relu(self.hidden(self.last(self.blocks(self.stem(x))))))


@pytest.fixture(scope="module")
def trained():
    """(network in evaluation, its data): a few epochs on pixels / 32."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, model = digits(), Residual()
    images, labels = torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels)
    steps = 5 * 23
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-2, total_steps=steps)
    for batch in torch.cat([torch.randperm(len(images))[: 23 * 62] for _ in range(5)]).split(62):
        loss = nn.functional.cross_entropy(model(images[batch] / 32.0), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval(), data


def _accuracy(model, data, scale=1.0):
    with torch.no_grad():
        return float(
            (model(torch.from_numpy(data.test.images) * scale).argmax(1).numpy() == data.test.labels).mean()
        )


@pytest.mark.parametrize("how", ["int8", "int16"])
@pytest.mark.parametrize("count", [8, 32])
def test_few_images_cost_a_trained_network_nothing(trained, how, count):
    """Norms measured on 8 images took 5 points; half a point is two of the 360 held-out digits."""
    model, data = trained
    full = _accuracy(model, data, 1 / 32)
    assert full > 0.93
    quantized, changes = convert(
        model, scheme(how), data.shape, bits=5, images=torch.from_numpy(data.train.images[:count])
    )
    assert _accuracy(quantized, data) >= full - 0.006
    said = next(change for change in changes if change.name == "norms")
    assert said.now == "trained statistics" and said.why.startswith("kept")
    if count == 8:  # what the norms would have cost
        reestimate_norms(quantized, [torch.from_numpy(data.train.images[:count])])
        assert _accuracy(quantized, data) < full - 0.02


def test_the_logits_are_near_and_the_file_has_the_same_integers(trained):
    """Signal to noise of the logits on unseen images: 8-bit networks reach more than 30 dB."""
    model, data = trained
    quantized, _ = convert(
        model, scheme("int8"), data.shape, bits=5, images=torch.from_numpy(data.train.images[:256])
    )
    images = torch.from_numpy(data.test.images)
    with torch.no_grad():
        real, got = model(images / 32.0), quantized(images)
    assert float(10 * torch.log10(real.square().sum() / (real - got).square().sum())) > 30
    net = export(quantized, data.shape, data.value_range)
    integers = run(net, data.test.images[:64])
    np.testing.assert_array_equal(integers, integer_logits(quantized, images[:64]).numpy())
    np.testing.assert_array_equal(got[:64].double().numpy(), integers * float(net.meta["output_scale"]))


def test_norms_are_measured_where_few_levels_need_it_and_images_are_enough(trained):
    model, data = trained
    images = torch.from_numpy(data.train.images)
    for count, now in ((ENOUGH - 1, "trained statistics"), (ENOUGH, f"measured on {ENOUGH} images")):
        quantized, changes = convert(model, scheme("pa"), data.shape, bits=5, images=images[:count])
        assert next(change.now for change in changes if change.name == "norms") == now
        mean = next(m.running_mean for m in quantized.modules() if isinstance(m, nn.BatchNorm2d))
        assert torch.equal(mean, model.stem[1].running_mean) == (count < ENOUGH)
    few, _ = convert(model, scheme("int8", activations=4), data.shape, bits=5)
    assert not keeps_statistics(few) and keeps_statistics(
        convert(model, scheme("int16"), data.shape, bits=5)[0]
    )


def test_factors_leave_the_real_function(trained):
    model, data = trained
    images = torch.from_numpy(data.train.images[:64])
    made, _ = convert(model, scheme("int8"), data.shape, bits=5)
    made.eval()
    with real_arithmetic(made), torch.no_grad():
        before = made(images).double()
    samples, found = observe(made, images), groups(made)
    factors = choose_factors(found, samples)
    assert any(len(factor) > 1 for factor in factors.values()) and any(
        len(factor) == 1 for factor in factors.values()
    )
    apply_factors(found, factors)
    assert sum(fill_channels(layer, reader) for layer, reader in found.followed) == 10
    with real_arithmetic(made), torch.no_grad():
        after = made(images).double()
    assert float((before - after).abs().max() / before.abs().max()) < 1e-5


def test_scaled_layers_compute_what_they_did():
    torch.manual_seed(1)
    factor, x = torch.rand(4) * 4 + 0.1, torch.randn(3, 4, 5, 5)
    norm, bias, gain = (
        FixedNorm(4, full_precision=True).eval(),
        FixedBias(4, full_precision=True).eval(),
        Rescale(0.3, full_precision=True),
    )
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    # a channel whose variance is below eps: its gain takes the factor
    norm.running_var.copy_(torch.tensor([1.0, 0.3, 1e-7, 2.0]))
    nn.init.normal_(bias.bias)
    column = factor.view(1, 4, 1, 1)
    for layer, f, c in ((norm, factor, column), (bias, factor, column), (gain.eval(), factor[:1], factor[0])):
        want = layer(x).detach().clone()
        scale_output(layer, f)
        torch.testing.assert_close(layer(x), want * c.double(), rtol=1e-4, atol=1e-4)
        scale_input(layer, f)
        torch.testing.assert_close(layer(x * c), want * c.double(), rtol=1e-4, atol=1e-4)


def test_steps_have_the_least_error_of_all_tried():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5000, generator=draw) * torch.tensor([[1.0], [30.0], [0.0]])
    x[0, 0] = 12.0  # one value far out: clipped
    steps = best_steps(x, -7, 7)
    assert steps[2] == 0 and 1 / 7 < float(steps[0]) < 10 / 7 and float(steps[1]) > 30 / 7

    def wrong(k):
        return float((torch.floor(x[0] / 2.0**k + 0.5).clamp(-7, 7) * 2.0**k - x[0]).square().mean())

    k, least = best_exponent(x[0], -7, 7)
    assert (
        least == pytest.approx(wrong(k)) == pytest.approx(min(wrong(other) for other in range(k - 4, k + 5)))
    )
    assert best_exponent(torch.zeros(5), 0, 255)[0] == -7


def test_shared_weights_are_not_scaled(trained):
    """Two layers with one weight: a factor for one would change the other."""
    _, data = trained
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, 1, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    ).eval()
    made, _ = convert(model, scheme("int8"), data.shape, bits=5)
    weighted = [module for module in made.modules() if isinstance(module, Conv2d)]
    weighted[1].weight = weighted[2].weight
    images = torch.from_numpy(data.train.images[:32])
    found = groups(made)
    assert not {layer for layer, _ in found.followed} & set(weighted[1:])
    factors = choose_factors(found, observe(made, images))
    with real_arithmetic(made), torch.no_grad():
        before = made(images)
    apply_factors(found, factors)
    with real_arithmetic(made), torch.no_grad():
        torch.testing.assert_close(made(images), before, rtol=1e-4, atol=1e-5)


def test_older_state_dicts_load(trained):
    model, data = trained
    made, _ = convert(model, scheme("int8"), data.shape, bits=5)
    state = {
        key: value
        for key, value in made.state_dict().items()
        if not key.endswith(("gain", "factor", "bias_bits"))
    }
    assert len(state) < len(made.state_dict())
    other, _ = convert(
        model, scheme("int8"), data.shape, bits=5, images=torch.from_numpy(data.train.images[:16])
    )
    other.load_state_dict(state)
    assert all(bool((module.gain == 1).all()) for module in other.modules() if isinstance(module, FixedBias))
    assert all(int(module.bias_bits) == -4 for module in other.modules() if isinstance(module, Linear))


def test_calibrated_state_moves_to_a_fresh_twin(trained):
    model, data = trained
    images = torch.from_numpy(data.train.images[:32])
    made, _ = convert(model, scheme("int8"), data.shape, bits=5, images=images)
    fresh, _ = convert(model, scheme("int8"), data.shape, bits=5)
    fresh.load_state_dict(made.state_dict())
    assert (
        torch.equal(integer_logits(fresh, images), integer_logits(made, images))
        and len(quantizers(made)) == 15
    )
