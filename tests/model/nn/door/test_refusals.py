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
    "places of an average": (lambda: Around(nn.AdaptiveAvgPool2d(5)), "output_size=5"),
    "difference": (lambda: twice(lambda a, b: torch.sub(a, b, alpha=2)), "alpha=2"),
    "a parameter": (lambda: Scaled(), "the tensor 'scale'.*outside a layer"),
    "a constant map": (lambda: Around(lambda x: x + torch.ones(4, 12, 12)), "outside a layer"),
    "not a number": (lambda: Around(lambda x: x * float("inf")), "other=inf"),
    "division by nothing": (lambda: Around(lambda x: x / 0), "other=0"),
    "division of a constant": (lambda: Around(lambda x: 1 / x), "the hardware has none|self=1"),
    "broadcast": (
        lambda: Around(lambda x: x + x.mean(1, keepdim=True)),
        "average over the whole map",
    ),
    "another shape": (
        lambda: Around(lambda x: x + x[:, :, :1]),
        "or one of them a value a channel",
    ),
    "ones around": (lambda: Around(nn.ConstantPad2d(1, 1.0)), "only an order of channels, rows or columns"),
    "a transposed map": (lambda: Around(lambda x: x.transpose(2, 3)), "only an order of channels"),
    "a reshape": (lambda: Around(lambda x: x.reshape(-1, 4, 6, 24)), "only an order of channels"),
    "bilinear corners": (
        lambda: Around(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
        "align_corners=False",
    ),
    "older bilinear": (lambda: Around(nn.UpsamplingBilinear2d(scale_factor=2)), "use nn.Upsample"),
    "bilinear parts": (
        lambda: Around(lambda x: functional.interpolate(x, scale_factor=1.5, mode="bilinear")),
        "use whole factors",
    ),
    "smoothed": (
        lambda: Around(lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", antialias=True)),
        "antialias=True is not understood",
    ),
    "bicubic": (lambda: Around(nn.Upsample(scale_factor=2, mode="bicubic")), "mode='nearest' or 'bilinear'"),
    "other images": (lambda: Around(lambda x: x.flip(0)), "only an order of channels"),
    "padding of a transposed convolution": (
        lambda: Around(nn.ConvTranspose2d(4, 4, 2, padding=2)),
        "larger than its kernel reaches",
    ),
    "values of topk": (lambda: nn.Sequential(*conv(), Step(lambda x: x.topk(2, 1)[0])), "only its positions"),
    "argmax inside": (lambda: Around(lambda x: x + x.argmax(1, keepdim=True)), "at the end of the network"),
    "argmax over images": (lambda: nn.Sequential(*conv(), Step(lambda x: x.argmax(0))), "dim=0"),
    "dilation": (lambda: Around(nn.MaxPool2d(2, 1, dilation=2)), "dilation=2"),
    "indices": (
        lambda: Around(lambda x: functional.max_pool2d(x, 2, return_indices=True)[0]),
        "return_indices=True|getitem",
    ),
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
    "group norm": (lambda: Around(nn.GroupNorm(2, 4)), "use nn.BatchNorm2d"),
    "dropout in evaluation": (
        lambda: Around(lambda x: functional.dropout(x, 0.5)),
        r"training=self\.training",
    ),
    "a cast": (lambda: Around(nn.ReLU(), before=lambda x: x.float()), "take the cast off"),
}


class Scaled(Around):
    def __init__(self):
        super().__init__(lambda x: x)
        self.scale = nn.Parameter(torch.ones(1, 4, 1, 1))
        self.function = self.scaled

    def scaled(self, x):
        return x * self.scale


class Counting(Around):
    """``change`` is done to the model at each call."""

    def __init__(self, change):
        super().__init__(self.counted)
        self.register_buffer("n", torch.zeros(1))
        self.t, self.i, self.change = torch.zeros(1), 0, change

    def counted(self, x):
        y = x * (1 + float(self.n + self.t + self.i))
        self.change(self)
        return y


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda m: m.n.add_(0.01), "'n'"),
        (lambda m: setattr(m, "n", m.n + 1), "'n'"),
        (lambda m: m.t.add_(1), "'t'"),
        (lambda m: setattr(m, "i", m.i + 1), "'i'"),
        (lambda m: m.n.fill_(3), "'n'"),
    ],
    ids=["in place", "set", "tensor attribute", "number", "once"],
)
def test_a_model_that_keeps_something_from_call_to_call(change, name):
    images = torch.randint(0, 256, (4, *SHAPE), dtype=torch.uint8)
    with pytest.raises(InputError, match=f"forward changes its own {name}.*in evaluation"):
        convert(Counting(change), scheme("int16"), SHAPE, images=images)


def test_a_model_may_keep_what_it_does_not_read():
    model = Counting(lambda m: setattr(m, "seen", 1))
    convert(model, scheme("int16"), SHAPE)
    assert not hasattr(model, "seen")


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
        nn.LocalResponseNorm(2),
        nn.Conv2d(3, 4, 3),
        nn.RReLU(),
        nn.Conv2d(4, 4, 3),
        nn.Softmax2d(),
        *HEAD,
    )
    with pytest.raises(
        InputError,
        match=r"for 3 reasons: \(1\) layer '0': .*\(2\) layer '2': RReLU.*\(3\) layer '4': Softmax2d",
    ):
        convert(model, scheme("int8"), SHAPE)
    made, report = convert(model, scheme("int8"), SHAPE, strict=False)
    assert made is None and [line.name for line in report.refusals] == ["layer '0'", "layer '2'", "layer '4'"]
    assert all(line.now == "refused" and line.why for line in report.refusals)
    made, report = convert(conv(), scheme("int8"), SHAPE, strict=False)
    assert made is not None and not report.refusals


def test_what_export_would_refuse_is_refused_before_training():
    class Joined(nn.Module):
        """Flattened maps of many pixels that are joined: more pieces than the file takes."""

        def __init__(self):
            super().__init__()
            self.a, self.b, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5), nn.Linear(4 * 100 + 4 * 64, 3)

        def forward(self, x):
            return self.last(torch.cat([self.a(x).relu().flatten(1), self.b(x).relu().flatten(1)], 1))

    made, report = convert(Joined(), scheme("int8"), SHAPE, strict=False)
    assert made is not None and "goes into a dense layer only" in report.refusals[0].why  # it can be trained
    with pytest.raises(InputError, match="goes into a dense layer only"):
        convert(Joined(), scheme("int8"), SHAPE)
    _, report = convert(Joined(), scheme("bireal"), SHAPE)
    assert any(line.why.startswith("not exportable: ") for line in report)


OUTPUTS = {
    "the same twice": (lambda x: (x, x), "outputs .* must be different.* give each tensor once"),
    "more than tensors": (lambda x: (x, 3), "a tuple of 2: return a tensor"),
    "positions of maps": (lambda x: x.view(-1, 3, 1, 1).expand(-1, 3, 2, 2).argmax(1), "take it off the end"),
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
