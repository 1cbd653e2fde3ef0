"""The stall contract of pipelines that run free, and wrong ones refuted."""

from fermatnet.synth.proofs.pipelines import DEPTHS, pipeline_mutants, pipeline_proofs


def test_nothing_is_lost_doubled_or_overtaken():
    rows = [named.check() for named in pipeline_proofs()]
    assert len(rows) >= 7 * len(DEPTHS) and all(row["as_expected"] for row in rows), rows


def test_wrong_pipelines_are_refuted():
    rows = [named.check() for named in pipeline_mutants()]
    assert len(rows) == 3 and all(row["holds"] is False for row in rows), rows
