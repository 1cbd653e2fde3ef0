"""Formal proofs at small widths, the stream contract, and refuted mutants; ``fermatnet.bench.fermat_proofs`` has all widths."""

import pytest

from fermatnet.bench import fermat_proofs
from fermatnet.hw.fermat.adder import Adder, Subtractor
from fermatnet.hw.fermat.butterfly import Butterfly

WIDTH = 16


@pytest.mark.parametrize(
    "make",
    [
        lambda: fermat_proofs.addition(Adder, fermat_proofs.sum_modulo, 32, "chain", 2),
        lambda: fermat_proofs.addition(Subtractor, fermat_proofs.difference_modulo, 32, "chain", 0),
        lambda: fermat_proofs.two_operands(
            Butterfly(8, latency=2), 8, 2, {"s": fermat_proofs.sum_modulo, "d": fermat_proofs.difference_modulo}
        ),
        lambda: fermat_proofs.negation(64),
        lambda: fermat_proofs.rotation(WIDTH),
        lambda: fermat_proofs.constant_shifts(WIDTH),
        lambda: fermat_proofs.square_root(WIDTH),
        lambda: fermat_proofs.encoding(64),
        lambda: fermat_proofs.decoding(64),
    ],
    ids=["adder", "subtractor", "butterfly", "negation", "rotator", "shifts", "sqrt2", "encode", "decode"],
)
def test_proved(make) -> None:
    assert make().holds()


def test_mutants_are_refuted() -> None:
    rows = list(fermat_proofs.check(fermat_proofs.mutants(8)))
    assert len(rows) >= 6
    assert not any(row["holds"] for row in rows)


def test_stream_contract() -> None:
    wanted = ("adder stream", "serial forward transform stream")
    rows = list(fermat_proofs.check(fermat_proofs.stream_proofs(wanted)))
    assert len(rows) == 8
    assert all(row["holds"] for row in rows), rows
