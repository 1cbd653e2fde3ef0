"""What convert refuses, in one line, with what to write instead; and what it takes, as the same function. No
other exception leaves it."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme

SHAPE = (3, 12, 12)
HEAD = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]


class Around(nn.Module):
    """A function between a norm and a convolution; ``head`` after it."""

    def __init__(self, function, channels=4, before=None):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.b, self.head = nn.Conv2d(channels, 4, 3, padding=1), nn.Sequential(*HEAD)
        self.function, self.before = function, before

    def forward(self, x):
        x = x if self.before is None else self.before(x)
        return self.head(functional.relu(self.b(self.function(self.norm(self.a(x))))))


def conv(**options):
    return nn.Sequential(nn.Conv2d(3, 4, 3, **options), nn.ReLU(), *HEAD)


def twice(function):
    return Around(lambda x: function(functional.relu(x), x))


REFUSED = {
    "alpha": (
        lambda: twice(lambda a, b: torch.add(a, b, alpha=2)),
        r"step 'add': add: alpha=2 .* only 1; put the factor",
    ),
    "alpha of a method": (lambda: twice(lambda a, b: a.add(b, alpha=-1)), "alpha=-1"),
    "sub": (lambda: twice(lambda a, b: torch.sub(a, b, alpha=2)), "step 'sub'"),
    "a constant": (lambda: Around(lambda x: x + 1), "other=1 .* bias of a layer"),
    "a constant before": (lambda: Around(lambda x: 1.0 + x), "self=1.0"),
    "broadcast": (
        lambda: Around(lambda x: x + x.mean((2, 3), keepdim=True)),
        "both must have the same shape",
    ),
    "reflect": (
        lambda: conv(padding=1, padding_mode="reflect"),
        r"layer '0': Conv2d: padding_mode='reflect' .* pads with zeros",
    ),
    "circular": (lambda: conv(padding=1, padding_mode="circular"), "circular"),
    "uneven same": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 4, padding="same"), nn.ReLU(), *HEAD),
        "padding='same'",
    ),
    "clamp": (lambda: Around(lambda x: x.clamp(-1, 1)), "min=-1"),
    "clamp_max alone": (lambda: Around(lambda x: x.clamp_max(0.1)), "put a rectifier before it"),
    "ceil_mode": (
        lambda: Around(nn.Sequential(nn.ReLU(), nn.AvgPool2d(5, ceil_mode=True))),
        "ceil_mode=True",
    ),
    "stride of an average": (lambda: Around(nn.AvgPool2d(3, 2)), "stride=2 .* disjoint windows"),
    "padding of an average": (lambda: Around(nn.AvgPool2d(2, 2, 1, count_include_pad=False)), "padding=1"),
    "places of an average": (lambda: Around(nn.AdaptiveAvgPool2d(5)), "output_size=5"),
    "dilation": (lambda: Around(nn.MaxPool2d(2, 1, dilation=2)), "dilation=2"),
    "indices": (
        lambda: Around(lambda x: functional.max_pool2d(x, 2, return_indices=True)[0]),
        "return_indices=True|getitem",
    ),
    "zeros before a pool": (
        lambda: Around(nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(2))),
        "input of a convolution",
    ),
    "uneven zeros": (
        lambda: Around(nn.ReLU(), before=lambda x: functional.pad(x, (1, 0, 1, 0))),
        "same on both sides",
    ),
    "zeros for channels": (
        lambda: Around(lambda x: functional.pad(x, (0, 0, 0, 0, 1, 1)), channels=6),
        "two sides of the map",
    ),
    "join of rows": (lambda: twice(lambda a, b: torch.cat([a, b], 2)), "dim=2 .* join along the channels"),
    "a flip": (lambda: Around(lambda x: x.flip(3)), "step 'flip'"),
    "a slice": (lambda: Around(lambda x: x[:, :, ::2, ::2]), "step 'getitem'"),
    "a reshape": (lambda: Around(lambda x: x.reshape(-1, 4, 6, 24)), "only whole images can be flattened"),
    "statistics of the batch": (
        lambda: Around(nn.BatchNorm2d(4, track_running_stats=False)),
        "track_running_stats",
    ),
    "norm after flatten": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.Flatten(), nn.BatchNorm1d(100), nn.ReLU(), nn.Linear(100, 3)
        ),
        "put nn.BatchNorm2d before the flatten",
    ),
    "dense on maps": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(10, 5)),
        r"put nn.Flatten\(\) before",
    ),
    "softmax": (
        lambda: nn.Sequential(*conv(), nn.Softmax(1)),
        "take it off the end: the largest logit stays the largest",
    ),
    "log_softmax": (lambda: nn.Sequential(*conv(), nn.LogSoftmax(1)), "CrossEntropyLoss"),
    "leaky": (lambda: Around(nn.LeakyReLU()), "layer 'function': LeakyReLU: .* use nn.ReLU"),
    "upsampling": (lambda: Around(nn.Upsample(scale_factor=2)), "maps can only shrink"),
    "group norm": (lambda: Around(nn.GroupNorm(2, 4)), "use nn.BatchNorm2d"),
    "dropout in evaluation": (
        lambda: Around(lambda x: functional.dropout(x, 0.5)),
        r"training=self\.training",
    ),
    "a cast": (lambda: Around(nn.ReLU(), before=lambda x: x.float()), "take the cast off"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    make, words = REFUSED[name]
    torch.manual_seed(0)
    how = scheme(("int8", "pa", "float", "xnor")[len(name) % 4])  # the scheme makes no difference
    with pytest.raises(InputError) as caught:
        convert(make(), how, SHAPE)
    text = str(caught.value)
    assert re.search(words, text), text
    assert "\n" not in text


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


class Step(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


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


def test_all_refusals_of_a_model_come_at_once():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.GELU(),
        nn.Conv2d(4, 4, 3),
        nn.Sigmoid(),
        *HEAD,
    )
    with pytest.raises(
        InputError, match=r"for 3 reasons: \(1\) layer '0': .*\(2\) layer '1': GELU.*\(3\) layer '3': Sigmoid"
    ):
        convert(model, scheme("int8"), SHAPE)
    made, report = convert(model, scheme("int8"), SHAPE, strict=False)
    assert made is None and [line.name for line in report.refusals] == ["layer '0'", "layer '1'", "layer '3'"]
    assert all(line.now == "refused" and line.why for line in report.refusals)
    made, report = convert(conv(), scheme("int8"), SHAPE, strict=False)
    assert made is not None and not report.refusals


def test_what_export_would_refuse_is_refused_before_training():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.last = (
                nn.Conv2d(3, 4, 3, 2),
                nn.Conv2d(3, 4, 5, 3),
                nn.Linear(4 * 25 + 4 * 9, 3),
            )

        def forward(self, x):
            return self.last(torch.cat([self.a(x).relu().flatten(1), self.b(x).relu().flatten(1)], 1))

    made, report = convert(Joined(), scheme("int8"), SHAPE, strict=False)
    assert made is not None and "cannot be joined" in report.refusals[0].why  # it can be trained
    with pytest.raises(InputError, match="cannot be joined"):
        convert(Joined(), scheme("int8"), SHAPE)
    _, report = convert(Joined(), scheme("bireal"), SHAPE)
    assert any(line.why.startswith("not exportable: ") for line in report)


OUTPUTS = {
    "a tuple": (lambda x: (x, x), "a tuple of 2: a network for the hardware has one output"),
    "a dict": (lambda x: {"a": x}, "a dict of 1"),
    "positions": (lambda x: x.argmax(1), "take argmax off the end"),
    "a number": (lambda x: x.sum(), "first dimension of its output"),
    "nothing": (lambda x: None, "a NoneType"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs(name):
    function, words = OUTPUTS[name]
    with pytest.raises(InputError, match=words):
        convert(nn.Sequential(*conv(), Step(function)), scheme("int8"), SHAPE)


class Optional(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = conv()

    def forward(self, x, scale=None, *rest, flag=False, **more):
        return self.body[2:](self.body[:2](x if scale is None else x * scale))


def test_optional_arguments_and_slices():
    _, report = convert(Optional(), scheme("int8"), SHAPE)
    assert {line.name for line in report} >= {"argument 'scale'", "argument 'flag'"}


class Two(Optional):
    def forward(self, x, y):
        return self.body(x + y)


class Steered(Optional):
    def forward(self, x):
        return self.body(x) if x.mean() > 0 else self.body(-x)


class Broken(Optional):
    def forward(self, x):
        return self.body(x.nothing)


class Unusual(Exception):
    pass


class Raising(Optional):
    def forward(self, x):
        raise Unusual("no camera")


class NoImage(Optional):
    def forward(self):
        return self.body


@pytest.mark.parametrize(
    "kind, words",
    [
        (Two, r"takes 2 inputs \(x, y\)"),
        (Steered, "without decisions about values"),
        (Broken, "nothing"),
        (Raising, "Unusual: no camera"),
        (NoImage, "takes no image|takes 1 positional"),
    ],
)
def test_forwards(kind, words):
    with pytest.raises(InputError, match=words) as caught:
        convert(kind(), scheme("int8"), SHAPE)
    assert "\n" not in str(caught.value)


U8 = torch.zeros(2, *SHAPE, dtype=torch.uint8)
ARGUMENTS = {
    "floats": ({"images": torch.rand(2, *SHAPE)}, r"undo the scaling, \(x \* 255\)"),
    "int16": ({"images": U8.to(torch.int16)}, "must be uint8"),
    "int8": ({"images": U8.to(torch.int8)}, "must be uint8"),
    "float arrays": ({"images": np.zeros((2, *SHAPE))}, "undo the scaling"),
    "uint16 arrays": ({"images": np.zeros((2, *SHAPE), np.uint16)}, "must be uint8"),
    "objects": ({"images": np.array([None])}, "objects"),
    "a list": ({"images": [1, 2]}, "not list"),
    "another shape": ({"images": U8[:, :1]}, r"must be \(n, 3, 12, 12\)"),
    "no images": ({"images": U8[:0]}, "n above 0"),
    "too bright": ({"images": U8 + 16, "bits": 4}, "hold 16, but bits=4"),
    "12 bits": ({"bits": 12}, r"at most 8 bits.*images >> 4"),
    "no bits": ({"bits": 0}, "from 1 to 8"),
    "half a bit": ({"bits": 7.5}, "from 1 to 8"),
    "nan mean": ({"mean": [float("nan")] * 3}, "mean and std must be 3 numbers"),
    "short mean": ({"mean": [0.5]}, "must be 3 numbers"),
    "zero std": ({"std": [1.0, 0.0, 1.0]}, "std positive"),
    "words": ({"mean": "abc"}, "must be 3 numbers"),
    "a number": ({"mean": 0.5}, "3 numbers"),
    "infinite std": ({"std": [1.0, 1.0, float("inf")]}, "3 numbers"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name):
    options, words = ARGUMENTS[name]
    with pytest.raises(InputError, match=words):
        convert(conv(), scheme("int8"), SHAPE, **options)


@pytest.mark.parametrize(
    "shape", [(3, 12), (3, 12, -12), (0, 12, 12), "3x12x12", None, (3.0, 12, 12), (16,), (3, 12, 12, 1), 12]
)
def test_shapes(shape):
    with pytest.raises(InputError, match=r"shape must be \(C, H, W\)"):
        convert(conv(), scheme("int8"), shape)


@pytest.mark.parametrize("model", [None, 3, nn.Conv2d, lambda x: x])
def test_models_that_are_none(model):
    with pytest.raises(InputError, match=r"must be a torch\.nn\.Module"):
        convert(model, scheme("int8"), SHAPE)


def test_arrays_and_bits():
    _, report = convert(conv(), scheme("int8"), SHAPE, images=np.full((4, *SHAPE), 15, np.uint8), bits=4)
    assert report.compared
    with pytest.raises(InputError, match="scheme must be made by"):
        convert(conv(), "int8", SHAPE)
