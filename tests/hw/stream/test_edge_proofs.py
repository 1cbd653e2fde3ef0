"""The blocks at the edge, proved for all values; and mutants of them, refuted."""

import pytest

from fermatnet.synth.proofs.edge import edge_mutants, edge_proofs

pytest.importorskip("z3")


@pytest.mark.parametrize("make", [edge_proofs, edge_mutants])
def test_edge(make):
    rows = [named.check() for named in make()]
    assert [row["proof"] for row in rows if not row["as_expected"]] == [] and len(rows) >= 3
