"""What a scheme builds has the layers that its name promises: compared with the plain form."""

import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.zoo import build
from fermatnet.model.zoo.hardware.layers import MaskedWeight, MeanWindow
from fermatnet.model.zoo.reaf import REAFConv2d

LARGE, SMALL = (3, 96, 96), (3, 32, 32)
REAF = {"outer": 16, "stem_width": 8}
CELL = [[[[0, 2], [0, 8]], [[1, 5], [0, 3]], [[2, 4], [1, 1]], [[3, 6], [2, 9]]]] * 2
KEPT = str(CELL).replace(" ", "")


def existing(module):
    """Weights of a convolution that are not masked away."""
    quantizer = getattr(module, "quantizer", None)
    return int(quantizer.mask.sum()) if isinstance(quantizer, MaskedWeight) else module.weight.numel()


def layers(network):
    """(kernel, stride, outputs, existing weights) of all convolutions and the classifier, sorted."""
    rows = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | REAFConv2d) and not isinstance(module, MeanWindow):
            kernel = tuple(module.weight.shape[-2:])
            stride = module.stride if isinstance(module.stride, tuple) else (module.stride,) * 2
            rows.append((kernel, stride, module.weight.shape[0], existing(module)))
        elif isinstance(module, nn.Linear):
            rows.append(((1, 1), (1, 1), module.out_features, module.weight.numel()))
    return sorted(rows)


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=["small", "imagenet stem"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ua-resnet21-4", {}),
        ("ua-resnet41-2", {}),
        ("a-resnet21-4", {}),
        ("reaf-resnet50-4-3-4-8", REAF),
        ("reaf-resnet50-4-2-6-8-12", REAF),
        ("reaf-resnet18-4-1-4-8", {"stem_width": 8}),
        ("nasb-resnet18-4", {"genotype": "bireal"}),
        ("nasb-resnet10-4", {"genotype": "thesis", "variant": "v3"}),
        ("nasb-resnet10-4", {"genotype": KEPT, "variant": "v4"}),
    ],
)
def test_a_scheme_builds_every_layer_of_the_plain_form(name, options, shape):
    plain = build(name, classes=5, input_shape=shape, **options)
    hardware = build(name, how=scheme("sign"), classes=5, shape=shape, **options)
    assert layers(hardware) == layers(plain)
    large = shape == LARGE
    assert sum(isinstance(m, nn.MaxPool2d) and m.stride == 2 for m in hardware.modules()) == large


def test_reaf_resnet50_has_53_convolutions_and_its_classifier():
    assert len(layers(build("reaf-resnet50-4-3-4-8", how=scheme("pa"), classes=5, shape=SMALL, **REAF))) == 54


def test_they_run():
    torch.manual_seed(0)
    for name, options in (
        ("nasb-resnet10-4", {"genotype": "thesis", "variant": "v3"}),
        ("reaf-resnet50-4-3-4-8", REAF),
        ("reaf-resnet18-4-1-4-8", {"stem_width": 8}),
    ):
        network = build(name, how=scheme("sign"), classes=5, shape=(3, 96, 96), **options)
        assert network(torch.randint(256, (2, 3, 96, 96), dtype=torch.uint8)).shape == (2, 5)


def test_what_cannot_be_built_is_named():
    with pytest.raises(InputError, match="variant v4 keeps several operations"):
        build("nasb-resnet18-4", how=scheme("sign"), variant="v4")
    with pytest.raises(InputError, match="NASB's variants are"):
        build("nasb-resnet18-4", how=scheme("sign"), variant="v9")
    with pytest.raises(InputError, match="depth of a REAF ResNet"):
        build("reaf-resnet51", how=scheme("sign"))
