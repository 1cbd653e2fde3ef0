"""The table: its arguments come from torch, new ones are refused, its page is what it says."""

import inspect
from pathlib import Path

import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.operators import CALLS, MODULES
from fermatnet.model.nn.operators.page import markdown
from fermatnet.model.nn.operators.remedies import remedy
from fermatnet.model.nn.operators.signatures import bind, module_arguments, signatures
from fermatnet.model.nn.scheme import scheme

PAGE = Path(__file__).parents[4] / "docs" / "supported-operators.md"


def test_the_page_is_the_table():
    assert PAGE.read_text() == markdown(), (
        "python -m fermatnet.model.nn.operators.page > docs/supported-operators.md"
    )


def test_every_named_argument_exists():
    for kind, row in MODULES.items():
        assert set(row.arguments) <= set(module_arguments(kind)), kind
    for call in CALLS:
        found = [signature for target in call.targets for signature in signatures(target, call.schemas)]
        known = {name for signature in found for name in signature.parameters}
        assert (
            set(call.arguments) - {"input", "self", "start_dim", "end_dim", "shape", "size", "dim", "inplace"}
            <= known
        ), call.name


def test_signatures_are_torchs():
    assert list(inspect.signature(nn.Conv2d).parameters)[:9] == list(module_arguments(nn.Conv2d))[:9]
    (signature,) = signatures(torch.add, ("add.Tensor",))
    assert list(signature.parameters) == ["self", "other", "alpha"]
    assert bind(torch.add, ("add.Tensor",), (1, 2), {"alpha": 3})[0] == {"self": 1, "other": 2, "alpha": 3}
    assert bind("mean", ("mean.dim",), (1,), {"axis": 3, "keepdims": True})[0] == {
        "self": 1,
        "dim": 3,
        "keepdim": True,
        "dtype": None,
    }
    assert bind("relu", ("relu",), (1, 2), {}) is None


def _newer(monkeypatch, kind, stored):
    """``kind`` as a newer torch might have it: with one argument more."""
    old = kind.__init__

    def newer(self, *args, gain=1.0, **kwargs):
        old(self, *args, **kwargs)
        if stored:
            self.gain = gain

    parameters = list(inspect.signature(old).parameters.values())
    gain = inspect.Parameter("gain", inspect.Parameter.KEYWORD_ONLY, default=1.0)
    newer.__signature__ = inspect.Signature([*parameters, gain])
    monkeypatch.setattr(kind, "__init__", newer)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ReLU, nn.AdaptiveAvgPool2d, nn.Flatten])
def test_an_argument_of_a_newer_torch_is_refused_unless_at_its_default(monkeypatch, kind):
    _newer(monkeypatch, kind, stored=True)
    layers = [nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)]
    convert(nn.Sequential(*layers), scheme("int8"), (1, 8, 8))
    next(layer for layer in layers if type(layer) is kind).gain = 2.0
    with pytest.raises(InputError, match=r"gain=2\.0 is not understood; leave it at its default 1\.0"):
        convert(nn.Sequential(*layers), scheme("int8"), (1, 8, 8))


def test_an_argument_that_cannot_be_read_is_refused(monkeypatch):
    _newer(monkeypatch, nn.MaxPool2d, stored=False)
    with pytest.raises(InputError, match="its argument 'gain' is new in this torch"):
        convert(
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 2)),
            scheme("int8"),
            (1, 8, 8),
        )


@pytest.mark.parametrize(
    "name",
    [
        "Softmax",
        "log_softmax",
        "RReLU",
        "glu",
        "conv1d",
        "conv_transpose2d",
        "FractionalMaxPool2d",
        "grid_sample",
        "GroupNorm",
        "LSTM",
        "mul",
    ],
)
def test_remedies_have_the_names_of_layers_and_functions(name):
    assert "docs" not in remedy(name)
    assert "docs/supported-operators.md" in remedy("kaiser_window")
