"""Each bad parameter of the convolver is one clear line, at construction: through ``fermatnet ip`` and
through the component."""

from dataclasses import replace

import numpy as np
import pytest

from fermatnet.hw.fermat.convolver import Convolver
from fermatnet.hw.ip import registry as ip
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.plan import Geometry, choose


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"moduli": "1"}, r"modulus width must be 2\.\.64 bits, not 1"),
        ({"moduli": "65"}, r"modulus width must be 2\.\.64 bits, not 65"),
        ({"moduli": "x"}, r"moduli must be widths such as 4,8,16, not 'x'"),
        ({"moduli": "8,24"}, r"moduli 2\^8\+1 and 2\^24\+1 are not coprime \(common factor 257\)"),
        (
            {"moduli": "4,8,16", "length": 32},
            r"no root of order 32 modulo {2\^4\+1, 2\^8\+1, 2\^16\+1}: .*power of two that divides 16",
        ),
        (
            {"moduli": "32", "length": 256},
            r"no root of order 256 modulo {2\^32\+1}: .*power of two that divides 128",
        ),
        (
            {"moduli": "32", "length": 24},
            r"no root of order 24 modulo {2\^32\+1}: the length must be a power of two that divides 128",
        ),
        (
            {"moduli": "18", "inputs": 1, "weight_bits": 2, "length": 8},
            r"no root of order 8 modulo {2\^18\+1}: .*power of two that divides 4",
        ),
        ({"kernel": 5, "pad": 2, "length": 4}, r"kernel of 5 taps is longer than the transform of 4 points"),
        (
            {"kernel": 129, "pad": 64, "inputs": 1, "outputs": 1, "weight_bits": 2, "input_bits": 1},
            r"kernel must be at most 64, not 129",
        ),
        (
            {"moduli": "16"},
            r"outputs in \[-\d+, \d+\] exceed the 65537 values of the moduli {2\^16\+1}; {2\^4\+1, "
            r"2\^16\+1} would do",
        ),
        (
            {"spectra": "stored", "memory_bits": 1000},
            r"stored spectra take \d+ bits, the memory holds 1000; compute them on the fly",
        ),
        ({"weight_bits": 1}, r"weight_bits 2\.\.16"),
        ({"group": 3}, r"group must divide 4 inputs and 4 outputs, not 3"),
        ({"products": 3}, r"products must divide 4, not 3"),
        ({"stride": 0}, r"at least 1"),
    ],
)
def test_ip(options, message, tmp_path):
    """Nothing is written when an option is refused."""
    with pytest.raises(InputError, match=f"^convolver: .*{message}") as caught:
        ip.generate("convolver", tmp_path, **{"height": 8, "width": 8, **options})
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


W = np.ones((2, 2, 3, 3), np.int64)
PLAN = choose(W, 0, 15, height=8, width=8, moduli=(16,), length=8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": (5, 5)}, r"the plan was made for another layer"),
        ({"lengths": (128, 128), "tile": (6, 6)}, r"128"),
        ({"lengths": (8, 24), "tile": (6, 6)}, r"24"),
        (
            {"lengths": (2, 2), "tile": (6, 6), "tiles": (1, 1)},
            r"transforms of \(2, 2\) points do not hold a kernel of \(3, 3\) taps",
        ),
        ({"widths": (4,)}, r"outputs in \[0, 270\] exceed the 17 values of the plan's moduli \(4,\)"),
        ({"widths": (8, 12)}, r"even multiple"),
    ],
)
def test_plan_changed_by_hand(change, message):
    with pytest.raises(InputError, match=message):
        Convolver(W, 0, 15, Geometry(8, 8, (3, 3)), plan=replace(PLAN, **change))
