"""LSQ, PACT and SAWB exported: the reference, torch's integer mode, its evaluation and RTL give the same
integers, wherever the factors of their steps go."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.hw.compiler.generate import generate
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.codes import as_affine
from fermatnet.model.exchange.export import export
from fermatnet.model.exchange.values import Value
from fermatnet.model.network import run
from fermatnet.model.network.nodes import Affine, Conv, Threshold
from fermatnet.model.nn.baselines.lsq import LsqActivation, LsqWeight
from fermatnet.model.nn.baselines.pact import PactActivation, SawbWeight
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.fixed_point import BatchNorm
from fermatnet.model.nn.integer import integer_values
from fermatnet.model.nn.layers import Conv2d, Linear, PixelScale, SumPool
from fermatnet.model.nn.moves import Gather
from fermatnet.model.nn.scheme import scheme
from fermatnet.sim.network import simulate


class Small(nn.Module):
    """A residual network as a user writes it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.main = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
        )
        self.inner, self.last = nn.Linear(16, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.stem(x)
        x = functional.max_pool2d(functional.relu(x + self.main(x)), 2).flatten(1)
        return self.last(functional.relu(self.inner(x)))


def trained(model, images, steps=6):
    """``model`` after a few steps of learning, in evaluation."""
    optimizer = torch.optim.Adam(model.train().parameters(), 5e-3)
    labels = images.flatten(1).sum(1) % 3
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(model(images).flatten(1).float(), labels).backward()
        optimizer.step()
    return model.eval()


def same(model, images, net):
    """The reference's outputs, which are those of the model too, integer for integer."""
    outputs = run(net, images.numpy())
    units = integer_values(model, images)  # its channels may have several
    np.testing.assert_array_equal(outputs * float(net.meta["output_scale"]), units.real().flatten(1).numpy())
    with torch.no_grad():
        found = model(images).double().numpy().reshape(outputs.shape)
    np.testing.assert_array_equal(outputs * float(net.meta["output_scale"]), found)
    assert outputs.std() > 0
    return outputs


@pytest.mark.parametrize("name", ["lsq", "pact"])
def test_four_bits_in_rtl(name, tmp_path):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images = torch.randint(0, 256, (100, 1, 7, 6), dtype=torch.uint8)
    model, _ = convert(Small(), scheme(name, weights=4, activations=4), (1, 7, 6), images=images)
    net = export(trained(model, images), (1, 7, 6))
    outputs = same(model, images, net)
    inner = [node for node in net.nodes if isinstance(node, Conv)][1:]
    assert len(inner) == 3 and all(np.abs(node.weight).max() <= 15 for node in inner)
    assert all(net.types[node.inputs[0]].hi == 15 for node in inner)
    generate(net, tmp_path / "design", cycles=400)
    found = simulate(tmp_path / "design", images[:3].numpy(), simulator="icarus", stalls=1)
    np.testing.assert_array_equal(found.outputs, outputs[:3])


def layers(weights, activation, *more):
    """A first layer of codes, then ``weights``, a norm with odd statistics, and ``activation``."""
    torch.manual_seed(1)
    norm = BatchNorm(4)
    norm.weight.data = torch.tensor([0.7, -1.3, 0.0, 1e-3])
    norm.bias.data = torch.tensor([0.1, 0.5, 0.4, -0.2])
    norm.running_mean, norm.running_var = torch.tensor([0.3, -0.2, 0.1, 0]), torch.tensor([0.4, 2, 0.5, 1])
    first = [PixelScale(8), LsqActivation(4)]
    net = nn.Sequential(*first, Conv2d(2, 4, 1, bias=False, quantizer=weights), norm, activation, *more)
    for module in net.modules():
        if isinstance(module, LsqActivation | PactActivation):
            module.calibrate(torch.rand(4, 2, 3, 3))
    return net.eval()


@pytest.mark.parametrize(
    "activation", [LsqActivation(2), PactActivation(4), LsqActivation(6), LsqActivation(8)]
)
@pytest.mark.parametrize("weights", [SawbWeight(4), LsqWeight(8, channels=4)])
def test_thresholds_and_multipliers_say_what_the_model_says(weights, activation):
    """For every accumulator, with positive, negative and zero gamma."""
    net = layers(weights, activation)
    file = export(net, (2, 3, 3))
    conv = next(node for node in file.nodes if isinstance(node, Conv))
    last = next(node for node in file.nodes if conv.name in node.inputs)
    assert isinstance(last, Affine if activation.n > 15 else Threshold)
    kind = file.types[conv.name]
    n = np.arange(kind.lo, kind.hi + 1)
    _, factor, exponent = weights.parts(net[2].weight)
    own, own_exponent = net[1].unit()
    unit = (factor * own).double() * torch.exp2(-(exponent + own_exponent).double())
    x = torch.tensor(n)[None, None] * unit.expand(4).view(1, 4, 1)
    want = activation.index(net[3].exact(x))[0].numpy()
    got = last.compute(None, np.broadcast_to(n, (1, 4, len(n)))[..., None])[0, ..., 0]
    np.testing.assert_array_equal(got, want)


def ways():
    """Layers behind the codes of 4 channels of 3x3."""
    torch.manual_seed(2)
    return {
        "sum": (SumPool(2),),
        "sum, dense": (SumPool(), nn.Flatten(), Linear(4, 3, bias=False, quantizer=LsqWeight(4))),
        "moved": (Gather((3, 1, 2, 0)), nn.MaxPool2d(2, 1), row(4, 2, 2, SawbWeight(2))),
        "dense": (nn.Flatten(), Linear(36, 12, bias=False, quantizer=LsqWeight(8)), LsqActivation(4)),
        "rows": (row(4, 4, 1, LsqWeight(3, channels=4)), nn.MaxPool2d(2), nn.ReLU()),
        "moved rows": (row(4, 4, 1, LsqWeight(3, channels=4)), Gather((3, 1)), LsqActivation(7)),
    }


def row(inputs, outputs, kernel, quantizer):
    return Conv2d(inputs, outputs, kernel, bias=False, quantizer=quantizer)


@pytest.mark.parametrize("name", ways())
def test_factors_find_their_way(name):
    net = layers(LsqWeight(4, channels=4), LsqActivation(4), *ways()[name])
    images = torch.randint(0, 256, (20, 2, 3, 3), dtype=torch.uint8)
    same(net, images, export(net, (2, 3, 3)))


def test_a_factor_that_is_lost_is_noticed(monkeypatch):
    """The comparison within the export refuses the file."""
    net = layers(LsqWeight(4), LsqActivation(4), SumPool(2))
    monkeypatch.setattr(Value, "unit", property(lambda x: np.exp2(-x.exponent.astype(float))))
    with pytest.raises(InputError, match="differ"):
        export(net, (2, 3, 3))


def test_no_multiplier_where_none_is_exact():
    thresholds = np.sort(np.random.default_rng(0).integers(-900, 900, (2, 40)), 1)
    assert as_affine("a", "x", thresholds, np.array([1, -1]), (-1000, 1000)) is None
    even = np.arange(40)[None] * 25 - 400
    found = as_affine("a", "x", np.repeat(even, 2, 0), np.array([1, -1]), (-1000, 1000))
    x = np.arange(-1000, 1001)
    wanted = np.stack([(flip * x[:, None] >= even).sum(1) for flip in (1, -1)])
    np.testing.assert_array_equal(found.compute(None, np.stack([x, x])[None, ..., None])[0, ..., 0], wanted)


def test_codes_that_saturate_early_are_a_multiplier_too():
    """A rectifier with a ceiling stops at code 40 of 63, at every channel."""
    never = np.full(23, 1001)
    rows = np.stack([np.concatenate([np.arange(40) * step - 400, never]) for step in (25, 20)])
    found = as_affine("a", "x", rows, np.array([1, 1]), (-1000, 1000))
    x = np.arange(-1000, 1001)
    wanted = np.stack([(x[:, None] >= row).sum(1) for row in rows])
    assert found.hi == wanted.max() == 40
    np.testing.assert_array_equal(found.compute(None, np.stack([x, x])[None, ..., None])[0, ..., 0], wanted)


def test_a_quantizer_without_a_step_is_refused():
    net = layers(LsqWeight(4), LsqActivation(4))
    net[4].learned_step.data.fill_(float("nan"))
    with pytest.raises(InputError, match="layer '4' has no step yet"):
        export(net, (2, 3, 3))


def test_sums_of_codes_with_factors_are_exact_where_float32_is_not():
    """Few products, so that eight bits of input would fit float32; codes times 61 and 63 do not."""
    drawn = torch.Generator().manual_seed(0)
    activation, weights = LsqActivation(8).eval(), LsqWeight(8)
    activation.learned_step.data.fill_(61 * 2.0**-12)
    weights.learned_step.data.fill_(63 * 2.0**-14)
    layer = Conv2d(8, 3, 1, bias=False, quantizer=weights).eval()
    layer.weight.data.copy_(torch.randn(layer.weight.shape, generator=drawn))
    assert layer.exact_type() == torch.float32
    x = 4 * torch.rand((2, 8, 3, 3), generator=drawn)
    with torch.no_grad():
        found = layer(activation(x)).double()
        codes, factor, exponent = weights.parts(layer.weight)
        sums = torch.einsum("oi,nihw->nohw", codes[:, :, 0, 0] * factor, activation.index(x) * 61)
    assert int(sums.abs().max()) > 1 << 24
    assert torch.equal(found, sums.double() * 2.0 ** -(12 + int(exponent)))
