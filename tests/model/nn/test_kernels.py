"""The compiled kernels against numpy, with any boundaries and tables: sizes round their chunks, values on
boundaries, infinities and nan."""

import numpy as np
import pytest
import torch

from fermatnet.model.nn import compiled, kernels

COUNTS = (1, 3, 4, 5, 8, 11, 12, 19)  # boundaries: they are taken by fours
SIZES = (0, 1, 7, compiled.CHUNK - 1, compiled.CHUNK + 1, 3 * compiled.CHUNK)


def drawn(count, size):
    """(values, boundaries, table): float32; a part of the values are boundaries, or no numbers."""
    rng = np.random.default_rng(count * 100_003 + size)
    boundaries = np.sort(rng.standard_normal(count)).astype(np.float32)
    values = rng.standard_normal(size).astype(np.float32)
    some = rng.random(size) < 0.2
    values[some] = rng.choice([*boundaries, np.inf, -np.inf, np.nan, 0.0, -0.0], some.sum())
    return values, boundaries, rng.standard_normal(count + 1).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", COUNTS)
def test_cells_and_levels(count, size):
    values, boundaries, table = drawn(count, size)
    wanted = (values[:, None] >= boundaries).sum(1)  # nan reaches none
    x, edges = torch.from_numpy(values), torch.from_numpy(boundaries)
    out, cell = kernels.quantize(x, edges, torch.from_numpy(table))
    np.testing.assert_array_equal(cell.numpy(), wanted)
    np.testing.assert_array_equal(out.numpy(), table[wanted])
    np.testing.assert_array_equal(kernels.cells(x, edges).numpy(), wanted)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", COUNTS)
def test_gradients_by_cell(count, size):
    """Products exactly; sums of whole numbers, which float32 holds, exactly too."""
    rng = np.random.default_rng(count * 100_003 + size)
    cell = rng.integers(0, count + 1, size).astype(np.uint8)
    table = rng.standard_normal(count + 1).astype(np.float32)
    g = rng.integers(-100, 101, size).astype(np.float32)
    scaled, sums = kernels.scale_by_cell(
        torch.from_numpy(g), torch.from_numpy(cell), torch.from_numpy(table), True
    )
    np.testing.assert_array_equal(scaled.numpy(), g * table[cell])
    np.testing.assert_array_equal(sums.numpy(), np.bincount(cell, g.astype(np.float64), count + 1))
    alone, none = kernels.scale_by_cell(
        torch.from_numpy(g), torch.from_numpy(cell), torch.from_numpy(table), False
    )
    np.testing.assert_array_equal(alone.numpy(), g * table[cell])
    assert none is None
