"""The comparison of trained networks seed by seed."""

from fermatnet.bench.zoo.training import differences


def test_interval_of_the_differences_by_seed():
    gaps = {0: 1.0, 1: 2.0, 2: 3.0}
    results = [{"label": "plain", "seed": seed, "accuracy": 0.5 + seed / 10} for seed in range(4)]
    results += [{"label": "AW", "seed": s, "accuracy": 0.5 + s / 10 + gap / 100} for s, gap in gaps.items()]
    results.append({"label": "SE", "seed": 3, "accuracy": 0.7})
    lines = differences(results).splitlines()[2:]
    # 4.303 / sqrt(3) = 2.48 on both sides of 2, of a standard deviation of 1
    assert lines == ["| AW | +2.00 (-0.48 to +4.48) | 3 |", "| SE | -10.00 (none) | 1 |"]
