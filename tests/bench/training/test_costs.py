"""Costs of methods beside their accuracy, and their picture."""

import itertools
import re

import torch

from fermatnet.bench.training.costs import costs, draw
from fermatnet.model.nn.scheme import scheme


def test_activations_in_full_precision_have_no_hardware():
    torch.set_num_threads(1)
    found = costs("tfc", scheme("pa", weights=4, activations=0))
    assert found["luts"] is None and found["ace_millions"] > 0
    weights = 28 * 28 * 64 + 64 * 64 + 64 * 64 + 64 * 10  # 32 bits each, and some of norms
    assert 4 * weights < 1e3 * found["kilobytes"] < 4.2 * weights
    pieces = costs("tfc", scheme("pa", weights=4, activations=3))
    assert pieces["luts"] > 0 and pieces["kilobytes"] < found["kilobytes"] / 4


def test_every_name_stands_once_and_none_upon_another(tmp_path):
    """Five methods of nearly the same accuracy, one far below, and one without hardware."""
    rows = [{"label": f"M{k}", "luts": 9000 + k, "accuracy": 89 + k / 100 - 30 * (k == 5)} for k in range(6)]
    draw([*rows, {"label": "none", "luts": None, "accuracy": 90.0}], tmp_path / "a.svg")
    picture = (tmp_path / "a.svg").read_text()
    names = re.findall(r'y="([\d.]+)"[^>]*>(M\d|none)</text>', picture)
    heights = sorted(float(height) for height, _ in names)
    assert sorted(name for _, name in names) == [f"M{k}" for k in range(6)]
    assert min(b - a for a, b in itertools.pairwise(heights)) > 7  # pixels of a letter
