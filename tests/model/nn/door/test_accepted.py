"""Forms that convert takes: the twin computes the owner's function, and so do the exported integers."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme
from tests.model.nn.door.forms import HEAD, SHAPE, Around, Step, conv, twice

ACCEPTED = {
    "relu6": lambda: Around(nn.ReLU6()),
    "F.relu6": lambda: Around(functional.relu6),
    "hardtanh": lambda: Around(nn.Hardtanh(0, 0.5)),
    "clamp": lambda: Around(lambda x: torch.clamp(x, 0, 0.25)),
    "clamp(min=)": lambda: Around(lambda x: x.clamp(min=0)),
    "relu, then clamp_max": lambda: Around(lambda x: x.relu().clamp_max(0.3)),
    "threshold": lambda: Around(nn.Threshold(0.0, 0.0)),
    "relu and relu6 of one norm": lambda: Around(
        lambda x: functional.relu(x) + functional.hardtanh(x, 0.0, 0.3)
    ),
    "same": lambda: conv(padding="same"),
    "a norm without eps": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=0.0), nn.ReLU(), *HEAD
    ),
    "valid": lambda: conv(padding="valid"),
    "zeros in front": lambda: Around(nn.ReLU(), before=lambda x: functional.pad(x, (2, 2, 1, 1))),
    "ZeroPad2d": lambda: nn.Sequential(
        nn.ZeroPad2d((1, 1, 0, 0)), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *HEAD
    ),
    "a sum of averages": lambda: Around(nn.Sequential(nn.ReLU(), nn.AvgPool2d(2, divisor_override=1))),
    "another divisor": lambda: Around(nn.Sequential(nn.ReLU(), nn.AvgPool2d(2, divisor_override=3))),
    "windows that are no squares": lambda: Around(nn.Sequential(nn.ReLU(), nn.AvgPool2d((2, 3)))),
    "the whole map by another divisor": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(10, divisor_override=7), nn.Flatten(), nn.Linear(4, 3)
    ),
    "several places": lambda: Around(nn.AdaptiveAvgPool2d((4, 6))),
    "largest of each place": lambda: Around(nn.AdaptiveMaxPool2d(3)),
    "ceil_mode that changes nothing": lambda: Around(nn.MaxPool2d(2, ceil_mode=True)),
    "alpha of one": lambda: twice(lambda a, b: a.add(b, alpha=1)),
    "join from behind": lambda: Around(lambda x: torch.cat([x, x], dim=-3), channels=8),
    "copies": lambda: Around(lambda x: x.clone().contiguous()),
    "keywords": lambda: Around(lambda x: functional.max_pool2d(kernel_size=2, input=torch.relu(input=x))),
    "squeezed": lambda: nn.Sequential(
        *conv()[:3], Step(lambda x: x.squeeze(-1).squeeze(-1)), nn.Linear(4, 3)
    ),
    "a kernel of the map's size": lambda: nn.Sequential(
        *conv()[:2],
        Step(lambda x: functional.avg_pool2d(x, x.size()[3]).view(x.size(0), -1)),
        nn.Linear(4, 3),
    ),
    "a norm without a bias": lambda: Around(nn.BatchNorm2d(4, affine=False, momentum=None)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_as_the_same_function(name):
    torch.manual_seed(1)
    model = ACCEPTED[name]().eval()
    with torch.no_grad():
        next(model.parameters()).mul_(3)  # so that what saturates does
    images = torch.randint(0, 256, (6, *SHAPE), dtype=torch.uint8)
    twin, _ = convert(model, scheme("float"), SHAPE, images=None)
    with torch.no_grad():
        want, got = model.double()(images.double() / 256), twin.eval()(images).double()
    assert float((want - got).abs().max()) <= 1e-5 * float(want.abs().max())
    for how in (
        scheme("int8"),
        scheme("pa"),
    ):  # and the exported integers are those of the twin, which export itself compares
        _, report = convert(model, how, SHAPE, images=images)
        assert "within" in report.compared[0]
