"""The layer report: planes counted by hand, forms that give the true products, and a plan that synthesis
confirms."""

import itertools

import numpy as np
import pytest

from fermatnet.hw.piecewise.compressor.popcount import Popcount
from fermatnet.hw.piecewise.forms import FORMS, choose_form, estimate, forms_of
from fermatnet.hw.piecewise.report import layer_report
from fermatnet.hw.rtl.verilog import emit

LEVELS = [
    ([-5, -2, 0, 2, 5], [0, 1, 2, 3, 4, 5]),
    ([-37, -11, 0, 12, 39], [0, 21, 40]),
    ([-6, 0, 6], [0, 4]),
    ([-1, 0, 3], [0, 2, 5, 9]),
]


@pytest.mark.parametrize(("levels_w", "levels_a"), LEVELS)
def test_forms_give_every_product(levels_w, levels_a):
    """Evaluate each form's groups on every weight-activation pair: product plus offset, exactly."""
    for form in forms_of(levels_w, levels_a).values():
        for (code, w), (index, a) in itertools.product(enumerate(levels_w), enumerate(levels_a)):
            total = 0
            for group in form.groups:
                for exponent, column in enumerate(group.pairs):
                    for i, j, gate in column:
                        both = int(form.weight_planes.table[code, i] & form.activation_planes.table[index, j])
                        total += group.factor * (both if gate == "and" else 1 - both) << exponent
                if group.bits:
                    total += group.factor * form.products[code][index] << len(group.pairs)
            assert total == w * a + form.offset


def test_report_counts_planes():
    report = layer_report(*LEVELS[0], simd=16, pe=4)
    assert (
        report["planes_mn"],
        report["forms"]["one-hot"]["planes"],
        report["forms"]["planes"]["planes"],
    ) == (20, 20, 9)
    cheapest = min(report["forms"], key=lambda name: estimate(forms_of(*LEVELS[0])[name], 16, 4, "lut6"))
    assert report["chosen"] == cheapest and set(report["forms"]) == set(FORMS) - {"auto"}
    assert report["forms"]["planes"]["luts_per_mac"] < report["forms"]["one-hot"]["luts_per_mac"] / 2


def test_chosen_form_is_the_cheapest_planned():
    """The quick estimate agrees with the real plans on the order of the best two forms, or they are within a
    tenth."""
    for levels_w, levels_a in LEVELS:
        report = layer_report(levels_w, levels_a, simd=16, pe=2)
        costs = {name: form["luts_per_mac"] for name, form in report["forms"].items()}
        assert costs[choose_form(levels_w, levels_a, 16, 2, "lut6").kind] <= 1.1 * min(costs.values()), (
            np.array(list(costs.items()))
        )


def test_synthesis_confirms_the_plan(tmp_path):
    """yosys uses exactly the tables that the plan of a 72-bit popcount counts: below one LUT an AND."""
    from fermatnet.synth.flow import cells

    block = Popcount(72)
    emit(block, "popcount", tmp_path)
    found = cells(tmp_path / "popcount.v", "popcount", "xc7")
    assert found["luts"] == block.tree.plan.cost <= 70
