"""150 random torch models at the door: refused by name, or the same function and the same integers
everywhere; and the check can fail."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from fermatnet.bench.door.check import check
from fermatnet.bench.door.models import draw_model
from fermatnet.model.nn.operators import calls
from fermatnet.model.nn.operators.rules import anything

MODELS, CHUNK = 150, 50


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, MODELS, CHUNK))
def test_refused_by_name_or_equal(first):
    pytest.importorskip("onnxruntime")
    torch.set_num_threads(1)
    outcomes = [check(seed) for seed in range(first, first + CHUNK)]
    problems = [f"seed {outcome.seed}: {outcome.problem}" for outcome in outcomes if outcome.problem]
    assert not problems
    accepted = sum(not outcome.refused for outcome in outcomes)
    assert CHUNK * 4 // 10 <= accepted < CHUNK
    assert len(Counter(outcome.reason for outcome in outcomes)) > 5


@pytest.mark.filterwarnings("ignore")
def test_a_dropped_argument_is_a_problem(monkeypatch):
    rows = {
        target: replace(row, arguments={**row.arguments, "alpha": anything}) if row.name == "add" else row
        for target, row in calls._BY_TARGET.items()
    }
    # a model of which nothing else is refused
    outcomes = map(check, range(1000))
    seed = next(outcome.seed for outcome in outcomes if outcome.refused.startswith("step 'add': add: alpha"))
    assert not check(seed).problem
    monkeypatch.setattr(calls, "_BY_TARGET", rows)
    assert "the comparison did not" in check(seed).problem


def test_the_same_model_for_the_same_seed():
    for seed in (3, 17):
        first, second = draw_model(seed), draw_model(seed)
        assert str(first.model) == str(second.model) and first.extras == second.extras
