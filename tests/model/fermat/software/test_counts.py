"""Operation counts: the generated transforms have the radix-2 number of additions, plans add up, the thesis'
formulas are those of table 2.1."""

import math

import pytest

from fermatnet.model.fermat.software import codegen as software_codegen
from fermatnet.model.fermat.software import counts as software_counts
from fermatnet.model.fermat.software import plan as software_plan

CASES = [(b, lane, n) for b, lane in ((8, 32), (16, 32), (32, 64)) for n in software_codegen.lengths(b)]


@pytest.mark.parametrize(
    ("b", "lane", "length"),
    [case for case in CASES if case[2] <= 2 * case[0]],
)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_additions_of_a_radix_2_transform(b, lane, length, direction):
    _, counts = software_codegen.transform("t", b, lane, length, direction, 1 << (b - 1))
    assert counts["add"] == length * math.log2(length) if length > 1 else counts["add"] == 0
    # half of the butterflies but for the last stage's have a twiddle other than 1
    twiddles = sum(
        (length // size) * (size // 2 - 1) for size in (2**i for i in range(1, length.bit_length()))
    )
    assert counts["shift"] == twiddles


def test_table_2_1():
    # (s, f, f', n, k) = (128, 96, 256, 26, 7): n + k - 1 = 32
    direct, thesis = (
        software_counts.direct_count(128, 96, 256, 26, 7),
        software_counts.thesis_count(128, 96, 256, 26, 7),
    )
    assert direct == {"multiply": 128 * 96 * 256 * 26**2 * 49, "add": 128 * 96 * 256 * 26**2 * 49}
    assert thesis["multiply"] == 128 * 96 * 256 * 1024
    assert thesis["shift"] == 2 * 1024 * 5 * (128 * 96 + 96 * 256 + 128 * 256)
    assert thesis["add"] == thesis["shift"] + thesis["multiply"]
    assert thesis["convert"] == 26**2 * 128 * (96 + 256) + 49 * 96 * 256


def test_a_plan_adds_up():
    plan = software_plan.choose((2, 8, 16, 5, 5, 12, 12), -(1 << 27), 1 << 27, moduli=(5,), length=16)
    counts = software_counts.plan_count(plan, with_weights=False)
    assert counts["multiply"] == 2 * 8 * 16 * 256 * 4  # images, channels, outputs, points, passes
    # additions of a transform of 16 points: 16 rows and 16 columns of every image, 16 columns and 12 rows of
    # every result
    each = 64
    assert counts["add"] == each * (2 * 8 * 32 + 2 * 16 * 28)
    more = software_counts.plan_count(plan)
    assert more["add"] - counts["add"] == each * 8 * 16 * (5 + 16)
    direct = software_counts.plan_count(software_plan.choose((1, 1, 1, 1, 1, 4, 4), -9, 9, method="direct"))
    assert direct["multiply"] == 16
