"""Weights as the model uses them, hooks, ties, types and wrappers: evaluated and said, kept, or refused by
name."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme

SHAPE = (1, 8, 8)
IMAGES = torch.randint(0, 256, (8, *SHAPE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 3),
    ).eval()


class Double(nn.Module):
    def forward(self, w):
        return 2 * w


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(layer)


WAYS = {
    "pruned": lambda c: prune.l1_unstructured(c, "weight", 0.5),
    "pruned bias": lambda c: prune.random_unstructured(c, "bias", 0.5),
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "own": lambda c: parametrize.register_parametrization(c, "weight", Double()),
    "old weight_norm": old_weight_norm,
    "old spectral_norm": nn.utils.spectral_norm,
}


@pytest.mark.parametrize("name", WAYS)
def test_the_weights_that_evaluation_uses(name):
    mine = model()
    WAYS[name](mine[2])
    with torch.no_grad():
        for parameter in mine[2].parameters():
            parameter.mul_(1.5)
        want = mine(IMAGES.float() / 256)
    kept = {key: value.clone() for key, value in mine.state_dict().items()}
    twin, report = convert(mine, scheme("float"), SHAPE, images=IMAGES)
    with torch.no_grad():
        assert torch.allclose(twin.eval()(IMAGES).float(), want, rtol=1e-4, atol=1e-5)
        assert torch.equal(mine(IMAGES.float() / 256), want)  # the user's own model still works
    assert all(torch.equal(value, kept[key]) for key, value in mine.state_dict().items())
    assert any("as evaluation uses them" in line.why for line in report)


def _instance_forward(mine):
    mine[2].forward = lambda x: x


class Changed(nn.Conv2d):
    def forward(self, input):
        return 2 * super().forward(input)


class Called(nn.Conv2d):
    def __call__(self, *args):
        return 2 * super().__call__(*args)


class Hidden(nn.Conv2d):
    @property
    def stride(self):
        return (1, 1)

    @stride.setter
    def stride(self, value):
        pass


def _replaced(kind):
    def change(mine):
        mine[2] = kind(4, 4, 3, padding=1)

    return change


def _alias(mine):
    mine[2].weight = nn.Parameter(torch.empty(0))
    mine[2].weight.data = mine[5].weight.data.view(-1)[:144].view(4, 4, 3, 3)


def _nan(mine):
    mine[2].weight.data[0, 0, 0, 0] = float("nan")


def _lazy(mine):
    mine[5] = nn.LazyLinear(3)


REFUSED = {
    "hook": (lambda m: m[2].register_forward_hook(lambda *a: None), "module '2': Conv2d: a forward hook"),
    "pre-hook": (lambda m: m[2].register_forward_pre_hook(lambda *a: None), "a forward pre-hook"),
    "hook of the model": (
        lambda m: m.register_forward_hook(lambda *a: None),
        "the model: Sequential: a forward hook",
    ),
    "backward hook": (lambda m: m[2].register_full_backward_hook(lambda *a: None), "a backward hook"),
    "gradient hook": (lambda m: m[2].weight.register_hook(lambda g: g), "hook on its gradient"),
    "forward of an instance": (_instance_forward, "its forward is replaced on the instance"),
    "changed forward": (_replaced(Changed), "outside a layer|mul"),
    "changed call": (_replaced(Called), "Called changes __call__"),
    "hidden stride": (_replaced(Hidden), "weights must belong to a layer|outside a layer"),
    "one memory": (_alias, "lies in the same memory as"),
    "nan": (_nan, "parameter '2.weight': weights: 1 of its 144 numbers"),
    "lazy": (_lazy, "has seen no image: run the model once"),
    "half": (lambda m: m.half(), r"call model\.float\(\) first"),
    "bfloat16": (lambda m: m.bfloat16(), r"call model\.float\(\) first"),
    "meta": (lambda m: m.to("meta"), "weights must be real numbers in memory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    change, words = REFUSED[name]
    mine = model()
    change(mine)
    with pytest.raises(InputError, match=words) as caught:
        convert(mine, scheme("int8"), SHAPE)
    assert "\n" not in str(caught.value)


def test_a_hook_of_all_modules():
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *a: None)
    try:
        with pytest.raises(InputError, match="a hook of all modules is registered"):
            convert(model(), scheme("int8"), SHAPE)
    finally:
        handle.remove()


class Harmless(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def extra_repr(self):
        return "mine"


def test_wrappers_and_subclasses_are_the_layers_inside():
    inner = model()
    inner[2] = Harmless(4, 4, 3, padding=1)
    with torch.no_grad():
        want = inner(IMAGES.float() / 256)
    for wrapped in (
        inner,
        nn.DataParallel(inner),
        torch.compile(inner),
        nn.Sequential(nn.DataParallel(inner)),
        inner.double(),
    ):
        twin, report = convert(wrapped, scheme("float"), SHAPE)
        with torch.no_grad():
            assert torch.allclose(twin.eval()(IMAGES).float(), want, rtol=1e-4, atol=1e-5)
        assert wrapped is inner or any("wrapper" in line.why or "float32" in line.why for line in report)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(model())
    with pytest.raises(InputError, match=r"compiled by torch\.jit"):
        convert(scripted, scheme("int8"), SHAPE)


class Loop(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.last = nn.BatchNorm2d(4) if norm else nn.Identity(), nn.Linear(256, 2)

    def forward(self, x):
        x = self.a(x).relu()
        for _ in range(2):
            x = self.norm(self.b(x)).relu()
        return self.last(x.flatten(1))


@pytest.mark.parametrize("how", [scheme("pa"), scheme("int8")], ids=["pa", "int8"])
def test_a_layer_used_twice_stays_one_and_frozen_stays_frozen(how):
    mine = Loop()
    mine.a.requires_grad_(False)
    twin, report = convert(mine, how, SHAPE, images=IMAGES)
    assert any("used 2 times ('b' and 'b'): the weights stay shared" in line.why for line in report)
    frozen = {name for name, parameter in twin.named_parameters() if not parameter.requires_grad}
    assert any(name.startswith("a") and "weight" in name for name in frozen) and not any(
        name.startswith("b") for name in frozen
    )
    before = twin.get_submodule("a_q").weight.clone()
    optimizer = torch.optim.Adam(twin.train().parameters(), 1e-2)
    torch.nn.functional.cross_entropy(twin(IMAGES), torch.zeros(8, dtype=torch.long)).backward()
    optimizer.step()
    weights = [
        module.weight
        for name, module in twin.named_modules()
        if name.startswith("b_q") and hasattr(module, "quantizer")
    ]
    assert len(weights) == 2 and weights[0] is weights[1]
    after = twin.get_submodule("a_q").weight  # of the user's, each output up to the unit of its integers
    assert torch.equal(after, before)
    ratios = (after / mine.a.weight).detach().flatten(1)
    assert torch.allclose(ratios, ratios[:, :1].expand_as(ratios), rtol=1e-5)
    export(twin.eval(), SHAPE)


def test_one_parameter_of_two_layers_stays_one():
    mine = model()
    mine.append(nn.Linear(3, 144))
    mine[6].weight = nn.Parameter(torch.randn(144, 3))
    mine.append(nn.Linear(144, 3))
    mine[7].weight = mine[5].weight
    twin, _ = convert(mine, scheme("float"), SHAPE)
    assert twin.get_submodule("5_q").weight is twin.get_submodule("7_q").weight


def test_a_norm_used_twice_is_refused():
    with pytest.raises(InputError, match="layer 'norm': BatchNorm2d: it is used 2 times"):
        convert(Loop(norm=True), scheme("pa"), SHAPE)


class Trained(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.aux = model(), nn.Linear(3, 3)

    def forward(self, x):
        x = torch.nn.functional.dropout(self.body[:4](x), 0.5, self.training)
        y = self.body[4:](x)
        self.aux(y)
        return y


def test_training_is_kept_and_dead_steps_are_said():
    twin, report = convert(Trained().train(), scheme("float"), SHAPE)
    assert any(isinstance(module, nn.Dropout) and module.p == 0.5 for module in twin.modules())
    assert any(line.name == "aux" and "read by nobody" in line.why for line in report)
