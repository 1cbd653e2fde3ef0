"""Over-parameterised convolutions: the weight is the formula's, and one tensor is left of it."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from fermatnet.bench.samples.model_check import check_twin
from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.nn.integer import integer_logits
from fermatnet.model.nn.layers import Conv2d
from fermatnet.model.nn.overparameterised import Branches, _inner, minimal, over_parameterise
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.finished import export_run
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.run import train


@pytest.mark.parametrize(
    "shape, groups", [((4, 4, 3, 3), 1), ((6, 4, 3, 3), 1), ((4, 2, 3, 5), 2), ((4, 4, 1, 1), 1)]
)
def test_the_branches_are_convolutions_side_by_side(shape, groups):
    """Against the sum of three convolutions and a fourth of 1x1 behind it, in float64."""
    torch.manual_seed(0)
    branches, w = Branches(shape, groups).double(), torch.randn(shape, dtype=torch.float64)
    assert torch.equal(branches(w), w)
    for parameter in branches.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, shape[1] * groups, 7, 8, dtype=torch.float64)
    pad = tuple(side // 2 for side in shape[2:])
    y = functional.conv2d(x, w, None, 1, pad, 1, groups)
    if branches.point is not None:
        y = y + functional.conv2d(x, branches.point, None, 1, 0, 1, groups)
    if branches.identity is not None:
        y = y + x * branches.identity.view(1, -1, 1, 1)
    assert (branches.identity is not None) == (groups == 1 and shape[0] == shape[1])
    product = branches.product.reshape(shape[0], -1, 1, 1)
    y = functional.conv2d(y, product, groups=groups)
    assert torch.allclose(functional.conv2d(x, branches(w), None, 1, pad, 1, groups), y)


@pytest.mark.parametrize("net, how", [("digits", "pa"), ("boolnet", "sign"), ("digits", "lsq")])
def test_one_weight_is_left_and_exports(net, how):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = zoo.build(net, how=scheme(how), shape=(1, 8, 8), bits=8)
    images = torch.randint(0, 256, (32, 1, 8, 8), dtype=torch.uint8)
    model.train()(images)
    names, before = list(model.state_dict()), integer_logits(model.eval(), images)
    count = sum(p.numel() for p in model.parameters())
    over_parameterise(model)
    assert sum(p.numel() for p in model.parameters()) > count
    assert torch.equal(integer_logits(model, images), before)
    optimizer = torch.optim.Adam(model.train().parameters(), 1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        functional.cross_entropy(model(images), torch.arange(32) % 10).backward()
        optimizer.step()
    with torch.no_grad():
        trained = integer_logits(model.eval(), images)
    assert not torch.equal(trained, before)
    assert minimal(model) is model and sorted(model.state_dict()) == sorted(names)
    assert torch.equal(integer_logits(model, images), trained)
    checked = check_twin(0, model, (1, 8, 8))
    assert not checked.problem, checked


def test_what_is_frozen_or_made_by_others_stays():
    class Double(nn.Module):
        def forward(self, w):
            return 2 * w

    model = zoo.build("digits", how=scheme("pa")).double()
    frozen, other, third, *_ = (m for m in model.modules() if isinstance(m, Conv2d) and _inner(m))
    frozen.weight.requires_grad_(False)
    parametrize.register_parametrization(other, "weight", Double())
    over_parameterise(over_parameterise(model))
    assert not parametrize.is_parametrized(frozen) and len(third.parametrizations["weight"]) == 1
    assert third.weight.dtype == torch.float64
    minimal(model)
    assert parametrize.is_parametrized(other) and not parametrize.is_parametrized(third)


def test_a_run_trains_it_and_keeps_the_minimal_form(tmp_path, monkeypatch):
    monkeypatch.setattr(RunFolder, "draw_curves", lambda self: None)
    quick = {"epochs": 1, "float_epochs": 0, "batch": 256, "threads": 1, "progress": False}
    more = {"scheme": "sign", "low_memory": True, "over_parameterised": True, "network": {"width": 4}}
    train("boolnet", "digits", tmp_path / "run", **more, **quick)
    net = export_run(tmp_path / "run")
    assert sum(type(node).__name__ == "LogicJoin" for node in net.nodes) == 6


def test_options_that_do_not_go_together(tmp_path):
    with pytest.raises(InputError, match="it is for the scheme sign, without a map"):
        train("digits", "digits", tmp_path / "run", scheme="pa", low_memory=True)
    with pytest.raises(InputError, match="give --low-memory as well"):
        train("digits", "digits", tmp_path / "run", scheme="sign", sign_gradients=True)
    with pytest.raises(
        InputError, match="activations of one bit, not those of scheme pa: take --scheme sign"
    ):
        train("boolnet", "digits", tmp_path / "run", scheme="pa")
    for what in ("low_memory", "over_parameterised"):
        with pytest.raises(InputError, match="is of a quantized network: take another scheme than float"):
            train(
                "digits", "digits", tmp_path / "run", scheme="sign", epochs=0, float_epochs=1, **{what: True}
            )
    with pytest.raises(InputError, match="over-parameterised training is of a quantized network"):
        train("digits", "digits", tmp_path / "run", scheme="float", over_parameterised=True)
    # before the full-precision network is trained
    with pytest.raises(InputError, match="has no inner convolution with quantized weights"):
        train("digits", "digits", tmp_path / "run", scheme="int8", over_parameterised=True, progress=False)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="has no inner convolution with quantized weights"):
        over_parameterise(zoo.build("digits", how=scheme("float")))


def test_parametrizations_of_others_stay():
    """`minimal` takes away what `over_parameterise` put there, and nothing else."""
    layer = Conv2d(2, 2, 3, bias=False)
    torch.nn.utils.parametrizations.weight_norm(layer)
    minimal(torch.nn.Sequential(layer))
    assert torch.nn.utils.parametrize.is_parametrized(layer, "weight")
