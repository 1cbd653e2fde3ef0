"""Formal proofs at small widths, the stream contract, and refuted mutants;
``fermatnet.synth.proofs.arithmetic`` has all widths."""

from functools import partial

import pytest

from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly
from fermatnet.model.result_log import ResultLog
from fermatnet.synth.formal import Named
from fermatnet.synth.proofs import arithmetic as fermat_proofs
from fermatnet.synth.proofs.arithmetic_mutants import ThesisNegate
from fermatnet.synth.proofs.prefix import network_proof, prefix_proofs

WIDTH = 16


@pytest.mark.parametrize(
    "make",
    [
        lambda: fermat_proofs.addition(Adder, fermat_proofs.sum_modulo, 32, "chain", 2),
        lambda: fermat_proofs.addition(Subtractor, fermat_proofs.difference_modulo, 32, "chain", 0),
        lambda: fermat_proofs.two_operands(
            Butterfly(8, latency=2),
            8,
            2,
            {"s": fermat_proofs.sum_modulo, "d": fermat_proofs.difference_modulo},
        ),
        lambda: fermat_proofs.either_sign(32, False),
        lambda: fermat_proofs.either_sign(32, True),
        lambda: fermat_proofs.negation(64),
        lambda: fermat_proofs.rotation(WIDTH),
        lambda: fermat_proofs.constant_shifts(WIDTH),
        lambda: fermat_proofs.square_root(WIDTH),
        lambda: fermat_proofs.encoding(64),
        lambda: fermat_proofs.decoding(64),
    ],
    ids=[
        "adder",
        "subtractor",
        "butterfly",
        "either sign, +",
        "either sign, -",
        "negation",
        "rotator",
        "shifts",
        "sqrt2",
        "encode",
        "decode",
    ],
)
def test_proved(make) -> None:
    assert make().holds()


def test_prefix_form_cut_at_its_carries() -> None:
    rows = list(fermat_proofs.check(prefix_proofs(64)))
    assert len(rows) == 7
    assert all(row["holds"] for row in rows), rows


def test_prefix_network_at_widths_that_are_no_power_of_two() -> None:
    assert all(network_proof(b).holds() for b in (2, 3, 7, 13, 33))


def test_mutants_are_refuted() -> None:
    rows = list(fermat_proofs.check(fermat_proofs.mutants(8)))
    assert len(rows) >= 6
    assert all(row["holds"] is False for row in rows), rows


def test_stream_contract() -> None:
    wanted = (
        "adder stream",
        "serial forward transform stream",
        "folded inverse transform stream",
        "2 x 4 forward transform stream",
    )
    rows = list(fermat_proofs.check(fermat_proofs.stream_proofs((*wanted, "2 x 4 transposer"))))
    assert len(rows) == 3 * 4 + 6 + 4
    assert all(row["holds"] for row in rows), rows


def test_stream_mutants_are_refuted() -> None:
    rows = list(fermat_proofs.check(fermat_proofs.stream_mutants()))
    assert len(rows) >= 12
    assert all(row["holds"] is False for row in rows), rows


def test_results_are_kept_while_the_design_is_the_same(tmp_path) -> None:
    file = tmp_path / "proofs.jsonl"
    first, again, other = (
        next(
            fermat_proofs.check(
                iter([Named("negation", partial(fermat_proofs.negation, b))]), log=ResultLog(file)
            )
        )
        for b in (8, 8, 9)
    )
    assert first == again and other["key"] != first["key"]
    assert len(file.read_text().splitlines()) == 2
    file.write_text(file.read_text() + '{"key": "cut off')
    assert len(ResultLog(file).rows) == 2


def test_both_solvers_agree() -> None:
    for solver in ("bitwuzla", "z3"):
        assert fermat_proofs.negation(8).holds(solver=solver)
        wrong = fermat_proofs.negation(8, ThesisNegate(8))
        assert not wrong.holds(solver=solver) and wrong.counterexample
