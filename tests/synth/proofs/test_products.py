"""Several products of one multiplier come apart for all operands, and wrong ones are refuted."""

from fermatnet.synth.proofs.products import product_mutants, product_proofs


def test_products_come_apart():
    rows = [named.check() for named in product_proofs()]
    assert len(rows) == 6 and all(row["as_expected"] for row in rows), rows


def test_wrong_ones_are_refuted():
    rows = [named.check() for named in product_mutants()]
    assert len(rows) == 12 and all(row["holds"] is False for row in rows), rows
