"""The software bench's parts: rivals that claim exactness agree, ratios are taken round by round, a wrong
section is refused."""

import numpy as np
import pytest

from fermatnet.bench.software import baselines as software_rivals
from fermatnet.bench.software import measure as software_measure
from fermatnet.bench.software import overview as software
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import build as software_build

pytestmark = pytest.mark.skipif(not software_build.available(), reason="the direct loops need a C++ compiler")


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_rivals_agree(kind):
    layer = software_rivals.Layer.random(2, 3, 7, 16, 32, kind)
    _, results = software_measure.race(
        software_rivals.rivals(layer, tuple(software_rivals.NAMES)), 1, once=("loops",)
    )
    assert set(results) == (
        set(software_rivals.NAMES) if kind is np.int8 else {"dfnt", "loops", "blocked", "float64", "fft"}
    )
    for name in set(results) - {"int8"}:
        np.testing.assert_array_equal(np.asarray(results[name]), results["loops"], err_msg=name)
    if kind is np.int8:
        assert (
            software_rivals.worst_int8_error(results["int8"], results["loops"]) <= software_rivals.QUANTUM / 2
        )


def test_ratios_are_taken_within_a_round():
    assert software_measure.ratio([4.0, 12.0, 9.0], [2.0, 3.0, 3.0]) == (3.0, 2.0, 4.0)
    assert software_measure.ratio([6.0], [1.0, 2.0, 3.0]) == (3.0, 2.0, 6.0)


def test_unknown_section():
    with pytest.raises(InputError, match=r"no section is called 'table-9'; there are table-2.1"):
        software.run(only=("table-9",))
