"""The generated transforms: the proof of no overflow can fail, and the emitted lines compute the
transform."""

import numpy as np
import pytest

from fermatnet.model.fermat.software import codegen
from fermatnet.model.fermat.software.lanes import Interval, Line


def run(text, p, lane):
    """Interprets the emitted C++ (assignments, + - & << >>) in python integers, checking that no value leaves
    the lane."""
    scope, limit = {"S": int}, 1 << (lane - 1)
    for line in text.splitlines()[2:-1]:
        line = line.strip().removeprefix("const V ").rstrip(";")
        if line.startswith("p["):
            index, name = line.split(" = ")
            p[int(index[2:].split(" *")[0])] = scope[name]
            continue
        if " = " not in line:  # the braces around what an inverse need not deliver
            continue
        name, expression = line.split(" = ")
        if expression.startswith("p["):
            scope[name] = p[int(expression[2:].split(" *")[0])]
        else:
            scope[name] = eval(expression.replace("V{}", "0"), {}, scope)
        assert -limit <= scope[name] < limit
    return p


def reverse(i, n):
    return int(format(i, "b").zfill(n.bit_length() - 1)[::-1], 2) if n > 1 else 0


@pytest.mark.parametrize(
    ("b", "lane", "length"),
    [(b, lane, n) for b, lane in ((8, 32), (16, 32), (32, 64), (48, 64)) for n in codegen.lengths(b)],
)
def test_lines_compute_the_transform_at_the_ends_of_the_interval(b, lane, length):
    f, half = (1 << b) + 1, (1 << (b - 1)) + 1
    root2 = (1 << (3 * b // 4)) - (1 << (b // 4))
    assert root2 * root2 % f == 2
    alpha = pow(root2, 4 * b // length, f)
    random = np.random.default_rng(length)
    forward, _ = codegen.transform("t", b, lane, length, "forward", half)
    inverse, _ = codegen.transform("t", b, lane, length, "inverse", 2 << b, 2 << b)
    for _ in range(4):
        x = [int(v) for v in random.choice([-half, half, 0, 1, half - 1], length)]
        y = run(forward, list(x), lane)
        for k in range(length):
            assert (y[reverse(k, length)] - sum(v * pow(alpha, j * k, f) for j, v in enumerate(x))) % f == 0
            assert abs(y[k]) <= half
        wide = [int(v) for v in random.choice([-(2 << b), 2 << b, 3], length)]
        z = run(inverse, list(wide), lane)
        for j in range(length):
            assert (
                z[j] - sum(wide[reverse(k, length)] * pow(alpha, -j * k, f) for k in range(length))
            ) % f == 0
            assert abs(z[j]) <= 2 << b


@pytest.mark.parametrize(("b", "lane"), [(8, 32), (16, 32), (32, 64), (48, 64)])
def test_every_interval_holds_the_values_at_its_ends(b, lane):
    """Shifts, rotations and reductions of the ends of random intervals: congruent, and inside what the
    generator says of them."""
    random, f = np.random.default_rng(b), (1 << b) + 1
    for _ in range(300):
        size = 1 << int(random.integers(1, lane - 1))
        lo, hi = sorted(int(v) for v in random.integers(-size, size, 2))
        s = int(random.integers(0, b))
        for kind, factor in (("shift", 1 << s), ("reduce", 1), ("balance", 1)):
            line = Line(b, lane)
            operand = Interval("a", lo, hi)
            output = line.shift(operand, s) if kind == "shift" else getattr(line, kind)(operand)
            for a in (lo, hi, (lo + hi) // 2, min(max(-1, lo), hi), min(max(0, lo), hi)):
                scope = {"S": int, "a": a}
                for text in line.body:
                    name, expression = text.strip().removeprefix("const V ").rstrip(";").split(" = ")
                    scope[name] = eval(expression, {}, scope)
                assert (
                    output.lo <= scope[output.name] <= output.hi
                    and (scope[output.name] - a * factor) % f == 0
                )


def test_the_proof_refuses_a_lane_that_is_too_narrow():
    with pytest.raises(AssertionError, match=r"leaves a 16-bit lane|no room"):
        codegen.transform("t", 16, 16, 16, "forward", 1 << 15)
    line = Line(16, 32)
    with pytest.raises(AssertionError, match="leaves a 32-bit lane"):
        line.emit("x", 0, 1 << 31)
