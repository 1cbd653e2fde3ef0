"""The benches of vendors and of fronts: what judges their rows."""

import pytest

from fermatnet.bench.compiler.explored import mean_error, same_order
from fermatnet.bench.compiler.vendors import LIBRARIES, foreign, run
from fermatnet.hw.devices import device
from fermatnet.model.errors import InputError

OWN = {
    "ecp5-85k": {"CCU2C", "LUT4", "TRELLIS_FF", "DP16KD", "MULT18X18D"},
    "ice40-hx8k": {"SB_LUT4", "SB_CARRY", "SB_DFFE"},
    "gw2ar-18": {"LUT4", "ALU", "DFFE", "rPLL"},
    "xc7z020": {"LUT6", "CARRY4", "FDRE", "DSP48E1"},
    "ccgm1a1": {"CC_L2T4", "CC_DFF", "CC_BRAM_20K"},
    "lifcl-40": {"WIDEFN9", "FD1P3IX", "MULT18X18"},
    "5cseba6": {"MISTRAL_ALUT6", "MISTRAL_FF"},
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_cell_of_another_family_is_found(name):
    others = {"SB_LUT4", "MISTRAL_FF", "CC_DFF", "TRELLIS_FF", "FDRE"} - OWN[name]
    assert foreign(OWN[name] | others, name) == sorted(others)


def test_seven_families():
    assert len({device(name).family for name in LIBRARIES}) == 7 and set(OWN) == set(LIBRARIES)
    with pytest.raises(InputError, match="no device of this bench is called 'xc7'"):
        run(only="xc7")


def test_points_are_judged():
    rows = [{"predicted": 110, "luts": 100}, {"predicted": 190, "luts": 200}]
    assert mean_error(rows) == pytest.approx(0.075) and same_order(rows)
    assert not same_order([*rows, {"predicted": 150, "luts": 300}])
