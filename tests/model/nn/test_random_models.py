"""Models as users write them: every one converts, trains and exports, and four ways to compute it give the
same integers."""

from collections import Counter

import pytest
import torch
from torch import nn

from fermatnet.bench.samples.model_check import check_model, random_map
from fermatnet.bench.samples.models import (
    AVERAGES,
    FLATTENS,
    POOLS,
    RECTIFIERS,
    SCHEMES,
    Step,
    random_model,
)
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.methods import methods
from fermatnet.model.nn.scheme import scheme

MODELS, CHUNK = 120, 20


@pytest.mark.parametrize("first", range(0, MODELS, CHUNK))
def test_four_ways_one_answer(first):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    for seed in range(first, first + CHUNK):
        assert not check_model(seed).problem, f"seed {seed}: {random_model(seed)[0]}"


@pytest.mark.parametrize("seed", range(1000, 1004))
def test_layers_with_schemes_of_their_own(seed):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    assert not check_model(seed, mixed=True).problem, random_map(random_model(seed)[0], seed)


def test_conversion_itself_changes_nothing():
    """In full precision only the way a model is written changes: biases move into norms, functions become
    layers."""
    torch.set_num_threads(1)
    for seed in range(MODELS):
        model, shape, _ = random_model(seed)
        images = torch.randint(
            0, 256, (4, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
        )
        twin, _ = convert(model.eval(), scheme("float"), shape)
        with torch.no_grad():
            want, got = model.double()(images.double() / 256), twin.eval()(images).double()
        assert float((want - got).abs().max()) <= 1e-5 * float(want.abs().max()), f"seed {seed}: {model}"


def test_the_models_hold_everything():
    kinds, steps, schemes = Counter(), set(), set()
    for seed in range(MODELS):
        model, _, how = random_model(seed)
        kinds.update(type(module).__name__ for module in model.modules())
        steps |= {module.name for module in model.modules() if isinstance(module, Step)}
        schemes.add((how.name, how.weights, how.activations))
        kinds["biased"] += any(isinstance(m, nn.Conv2d) and m.bias is not None for m in model.modules())
        kinds["depthwise"] += any(
            isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 for m in model.modules()
        )
    assert steps == {*RECTIFIERS, *POOLS, *FLATTENS, *AVERAGES} and len(schemes) == len(SCHEMES)
    assert {name for name, method in methods().items() if method.exportable} == {name for name, *_ in SCHEMES}
    for kind in (
        "_Residual",
        "_Inverted",
        "_Dense",
        "BatchNorm1d",
        "MaxPool2d",
        "AvgPool2d",
        "AdaptiveAvgPool2d",
        "Dropout2d",
        "biased",
        "depthwise",
    ):
        assert kinds[kind] >= 2, kind


def test_a_difference_is_found(monkeypatch):
    from fermatnet.bench.samples import model_check

    monkeypatch.setattr(
        model_check, "run", lambda net, images: model_check.load and images[:, 0, 0, :5].astype("int64")
    )
    assert check_model(1).problem == "integer mode differs from reference"
