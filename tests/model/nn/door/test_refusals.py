"""What convert refuses, in one line, with what to write instead; and what it takes, as the same function. No
other exception leaves it."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme
from tests.model.nn.door.forms import HEAD, SHAPE, Around, Step, conv, twice

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
