"""Random networks of imported models' layers: reference == onnxruntime == RTL under random stalls, cycles as
predicted; a failing one shrinks."""

from collections import Counter

import pytest

from fermatnet.bench.samples.check import check_seed, shrunk
from fermatnet.bench.samples.rearranged import build, drawn

NETWORKS, CHUNK, MOST_CYCLES = 40, 10, 160


@pytest.mark.parametrize("first", range(0, NETWORKS, CHUNK))
def test_reference_is_onnxruntime_is_rtl(first):
    """Seeds first .. first + CHUNK - 1 (the same networks every time)."""
    pytest.importorskip("onnxruntime")
    for seed in range(first, first + CHUNK):
        outcome, row = check_seed(seed, MOST_CYCLES, draw=drawn)
        if outcome.problem:
            small, choices = shrunk(row, seed, MOST_CYCLES, make=build)
            pytest.fail(
                f"seed {seed}: {outcome.problem}; shrunk to {' '.join(small.layers)} ({small.problem}) by "
                f"check(build(choices := Choices(given={choices}), {seed}), choices, {seed}, {MOST_CYCLES})"
            )


def test_the_networks_hold_everything():
    kinds: Counter[str] = Counter()
    for seed in range(NETWORKS):
        net, _ = drawn(seed)
        kinds.update({type(node).__name__ for node in net.nodes} | {net.input_dtype})
    assert set(kinds) == {
        *("uint8", "int8", "int16", "Conv", "Dense", "Affine", "Requantize", "Lookup", "SumPool", "TopK"),
        *("Pad", "Slice", "Upsample", "SelectChannels", "DepthToSpace", "AddConstant", "Multiply", "Concat"),
    }
    assert min(kinds.values()) >= 3
