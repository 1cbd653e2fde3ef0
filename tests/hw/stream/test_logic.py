"""Logic joins: every truth table, nothing lost under any stalls, and the cycles that are stated."""

import numpy as np
import pytest

from fermatnet.hw import timing
from fermatnet.hw.stream.logic import LogicJoin
from fermatnet.model.errors import InputError


@pytest.mark.parametrize("table", range(16))
def test_every_table(streams, table):
    rng = np.random.default_rng(table)
    a, b = rng.integers(0, 2, (2, 24, 3)).tolist()
    dut = LogicJoin(table, lanes=3)
    got, times = streams(dut, {"i0": a, "i1": b}, {"o": 24}, seed=[None, 1, 2][table % 3])
    word = f"{table:04b}"[::-1]  # an evaluation of its own: the table as a text, read from its end
    pairs = np.stack([a, b], 2).tolist()
    assert got["o"] == [[int(word[2 * p + q]) for p, q in beat] for beat in pairs]
    if table % 3 == 0:
        assert times["o"][0] - times["i0"][0] == dut.latency
        assert times["o"][-1] - times["o"][0] == 23


def test_its_timing_is_that_of_its_model(streams):
    a, b = np.random.default_rng(1).integers(0, 2, (2, 20, 1)).tolist()
    _, times = streams(LogicJoin(6, lanes=1), {"i0": a, "i1": b}, {"o": 20})
    model = timing.Broadcast(1, 20, LogicJoin.latency)
    taken, out = model.forward(np.array(times["i0"]), np.array(times["i1"]))
    assert out.tolist() == times["o"] and taken[0].tolist() == times["i0"]


def test_a_table_of_more_bits_is_refused():
    with pytest.raises(InputError, match="four bits, 0 to 15, not 16"):
        LogicJoin(16, lanes=1)
