"""convert: what becomes what, weights kept, normalisation folded, converted networks export exactly, tables
of chapter 3."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import run
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.fixed_point import BatchNorm, FixedNorm
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.measure import reestimate_norms
from fermatnet.model.nn.piecewise import PiecewiseActivation, PiecewiseWeight
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.nn.uniform import UniformWeight

IMAGES = torch.randint(0, 256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
SMALL = [
    ("resnet18", {"width": 4}),
    ("resnet50", {"width": 4}),
    ("densenet121", {"blocks": (2, 1, 1, 1), "growth": 8}),
    ("mobilenetv1", {"width": 0.125}),
]


@pytest.mark.parametrize("name, options", SMALL)
@pytest.mark.parametrize("how", [scheme("pa"), scheme("int8")], ids=["pa", "int8"])
def test_converted_networks_export_exactly(name, options, how):
    torch.manual_seed(0)
    plain = zoo.build(name, classes=10, shape=(3, 32, 32), **options)
    before = {key: value.clone() for key, value in plain.state_dict().items()}
    model, _ = convert(plain, how, (3, 32, 32), mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.25], images=IMAGES)
    assert all(torch.equal(value, before[key]) for key, value in plain.state_dict().items())
    integers = integer_logits(model, IMAGES).numpy()
    file = export(model, (3, 32, 32))
    assert integers.std() > 0
    np.testing.assert_array_equal(run(file, IMAGES.numpy()), integers)
    with torch.no_grad():
        np.testing.assert_array_equal(
            model.eval()(IMAGES).double().numpy(), integers * float(file.meta["output_scale"])
        )


def test_what_becomes_what():
    model, changes = convert(
        zoo.build("mobilenetv1", classes=10, shape=(3, 32, 32), width=0.125), scheme("pa"), (3, 32, 32)
    )
    convs = [module for module in model.modules() if isinstance(module, Conv2d)]
    assert isinstance(convs[0].quantizer, UniformWeight)
    # depthwise stays integer
    assert all(isinstance(c.quantizer, UniformWeight) for c in convs if c.groups > 1)
    assert all(isinstance(c.quantizer, PiecewiseWeight) for c in convs[1:] if c.groups == 1)
    reasons = {change.why for change in changes}
    assert {"first layer", "last layer", "inner layer", "depthwise: few operations"} <= reasons
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    acts = [module for module in model.modules() if isinstance(module, PiecewiseActivation)]
    assert len(acts) == len({id(act) for act in acts}) == 27


def test_a_residual_network_gets_fixed_point_before_its_sums_and_its_own_activations():
    model, _ = convert(
        zoo.build("resnet18", classes=10, shape=(3, 32, 32), width=4), scheme("pa"), (3, 32, 32)
    )
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    # last norm of 8 units, 3 shortcuts
    assert sum(isinstance(norm, FixedNorm) for norm in norms) == 8 + 3 and len(norms) == 20
    assert sum(isinstance(module, PiecewiseWeight) for module in model.modules()) == 19  # 16 + 3 shortcuts


def test_full_precision_conversion_only_folds_the_normalisation():
    torch.manual_seed(0)
    plain = zoo.build("resnet18", classes=10, shape=(3, 32, 32), width=4)
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
    plain.stem[0].padding = (0, 0)  # without padding the folding is exact
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.25])
    model, changes = convert(plain, scheme("float"), (3, 32, 32), mean=mean.tolist(), std=std.tolist())
    with torch.no_grad():
        want = plain.eval()((IMAGES / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        got = model.eval()(IMAGES)
    assert torch.allclose(got.float(), want, atol=2e-4, rtol=1e-3)
    assert not any("Uniform" in change.now for change in changes)


class Functional(nn.Module):
    """Functional rectifiers, one module used twice, a step the hardware lacks."""

    def __init__(self, odd=False):
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Linear(8, 10),
        )
        self.relu, self.pool, self.odd = nn.ReLU(), nn.AdaptiveAvgPool2d(1), odd

    def forward(self, x):
        x = self.relu(self.a(x))
        x = self.relu(nn.functional.relu(self.b(x)))
        x = torch.sin(x) if self.odd else x
        return self.c(self.pool(x).flatten(1))


def test_functional_steps_and_shared_modules():
    model, _ = convert(Functional(), scheme("pa"), (3, 32, 32), images=IMAGES)
    assert sum(isinstance(module, PiecewiseActivation) for module in model.modules()) == 3
    np.testing.assert_array_equal(
        run(export(model, (3, 32, 32)), IMAGES.numpy()), integer_logits(model, IMAGES).numpy()
    )
    with pytest.raises(InputError, match=r"step 'sin': sin: the hardware has none"):
        convert(Functional(odd=True), scheme("pa"), (3, 32, 32))


class Wide(nn.Module):
    """What used to be refused: biases before norms and without any, wide inputs of layers with weights, a
    depthwise first layer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1, groups=3)
        self.side, self.norm, self.down = nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3, stride=2)
        self.hidden, self.norm1d, self.last = nn.Linear(4 * 2 * 2, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)

    def forward(self, x):
        x = self.first(x)  # a bias, and neither norm nor rectifier
        # a bias that a norm takes up; a sum that a convolution reads
        x = x + self.norm(self.side(nn.functional.relu(x)))
        x = nn.functional.avg_pool2d(self.down(x), 3, stride=3)  # a ninth is not exact
        return self.last(nn.functional.relu(self.norm1d(self.hidden(x.view(x.size(0), -1)))))


@pytest.mark.parametrize("how", [scheme("pa"), scheme("int8")], ids=["pa", "int8"])
def test_biases_wide_inputs_and_functions(how):
    images = IMAGES[:, :, :14, :14]  # 14 -> 6 -> 2
    model, changes = convert(Wide(), how, (3, 14, 14), mean=[0.5] * 3, std=[0.2] * 3, images=images)
    np.testing.assert_array_equal(
        run(export(model, (3, 14, 14)), images.numpy()), integer_logits(model, images).numpy()
    )
    said = {change.now.split()[0]: change.why for change in changes}
    assert (
        said["FixedBias"].startswith("no norm takes it up")
        and "too wide for the next layer" in said["Rescale"]
    )
    assert sum("FixedBias" in change.now for change in changes) == 2 and not any(
        change.why.startswith("left") for change in changes
    )


def test_the_constant_of_the_normalisation_of_a_depthwise_layer():
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 6 * 6, 2)
    ).eval()
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]
    model, _ = convert(plain, scheme("float"), (3, 8, 8), mean=mean, std=std)
    images = IMAGES[:, :, :8, :8]
    with torch.no_grad():
        want = plain((images / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))
        assert torch.allclose(model.eval()(images).float(), want, atol=1e-4, rtol=1e-4)


class Twice(nn.Module):
    """The image goes two ways, so that no one layer can take its normalisation up."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(7, 2, 8)

    def forward(self, x):
        return self.last(torch.cat([x, self.conv(x)], 1)).flatten(1)


def test_a_normalisation_without_a_place_is_refused():
    with pytest.raises(InputError, match="more than the first layer with weights reads the image"):
        convert(Twice(), scheme("pa"), (3, 8, 8), mean=[0.5] * 3, std=[0.2] * 3)
    convert(Twice(), scheme("pa"), (3, 8, 8))
    # pooling lets it pass
    pooled = nn.Sequential(nn.MaxPool2d(2), nn.Dropout(), nn.Conv2d(3, 2, 4), nn.Flatten()).eval()
    model, _ = convert(pooled, scheme("float"), (3, 8, 8), mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.25])
    images = IMAGES[:, :, :8, :8]
    with torch.no_grad():
        want = pooled(
            (images / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1))
            / torch.tensor([0.2, 0.3, 0.25]).view(3, 1, 1)
        )
        assert torch.allclose(model.eval()(images).float(), want, atol=1e-4, rtol=1e-4)


def test_full_precision_layers_are_refused_by_name():
    model, _ = convert(Wide(), scheme("bireal"), (3, 14, 14), images=IMAGES[:, :, :14, :14])
    with pytest.raises(InputError, match=r"layer 'relu': the hardware has no SignActivation"):
        export(model, (3, 14, 14))
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 12 * 12, 2))
    model, _ = convert(plain, scheme("dorefa"), (3, 14, 14), images=IMAGES[:, :, :14, :14])
    with pytest.raises(
        InputError, match=r"layer '1_q' is in full precision: the network's scheme has no hardware"
    ):
        export(model, (3, 14, 14))


def test_norms_are_measured_again():
    model, _ = convert(
        zoo.build("resnet18", classes=10, shape=(3, 32, 32), width=4), scheme("pa"), (3, 32, 32)
    )
    assert reestimate_norms(model, [IMAGES, IMAGES]) == 20
    first = next(module for module in model.modules() if isinstance(module, BatchNorm))
    conv = next(module for module in model.modules() if isinstance(module, Conv2d))
    with torch.no_grad():
        y = conv.train()(IMAGES / 256)
    assert torch.allclose(first.running_mean, y.mean((0, 2, 3)), atol=1e-5)
    with pytest.raises(InputError, match="at least one batch"):
        reestimate_norms(model, [])


def test_bad_input_is_refused():
    plain = zoo.build("resnet18", classes=10, shape=(3, 32, 32), width=4)
    with pytest.raises(InputError, match="does not take images of 1x32x32"):
        convert(plain, scheme("pa"), (1, 32, 32))
    with pytest.raises(InputError, match="mean and std must be 3 numbers"):
        convert(plain, scheme("pa"), (3, 32, 32), mean=[0.5])
    with pytest.raises(InputError, match="no layer to quantize"):
        convert(nn.Sequential(nn.ReLU()), scheme("pa"), (3, 32, 32))
    with pytest.raises(InputError, match="depth must be"):
        zoo.build("resnet19")


@pytest.mark.parametrize(
    "name, storage, flops",
    [
        ("pa-resnet18", 61.622, 6.484e8),
        ("pa-resnet34", 102.263, 1.2264e9),
        ("pa-resnet50", 161.319, 1.2882e9),
    ],
)
def test_table_3_7(name, storage, flops):
    complexity = pytest.importorskip("fermatnet.model.zoo.analysis.complexity")
    figures = complexity.report(name, (3, 224, 224), 1000)
    assert figures["storage_mbit"] == pytest.approx(storage, abs=6e-4)
    assert figures["flops"] == pytest.approx(flops, rel=1e-4)


def test_a_converted_network_is_pickled_and_comes_back():
    """As ``torch.save`` of a whole model does, and what starts processes."""
    plain = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)),
    )
    model, _ = convert(plain, scheme("pa"), (3, 32, 32), images=IMAGES)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(integer_logits(again.eval(), IMAGES), integer_logits(model.eval(), IMAGES))
