"""The stall contract of the arrays, for short and for long queues, and wrong arrays refuted."""

import pytest

from fermatnet.synth.proofs.arrays import array_mutants, array_proofs


@pytest.mark.parametrize(
    "of", ["3 beats and 4 stages", "1 beats and 3 stages", "5 beats and 3 stages, its queue resting"]
)
def test_nothing_is_lost_doubled_or_overtaken(of):
    rows = [named.check() for named in array_proofs(of)]
    assert len(rows) > 5 and all(row["as_expected"] for row in rows), rows


def test_wrong_arrays_are_refuted():
    rows = [named.check() for named in array_mutants()]
    assert len(rows) >= 6 and all(row["holds"] is False for row in rows), rows
