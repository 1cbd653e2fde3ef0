"""Algorithm 1 of the thesis as printed: where each line fails, and that the form used here does not
(exhaustive, b = 2..8)."""

import pytest

WIDTHS = range(2, 9)


def addition(x: int, y: int, b: int, bits: int) -> int:
    """The printed addition with a result of `bits` bits."""
    if x == 1 << b:
        return y
    if y == 1 << b:
        return x
    total = (x & ((1 << b) - 1)) + (y & ((1 << b) - 1))
    return ((total & ((1 << b) - 1)) + (1 - (total >> b))) & ((1 << bits) - 1)


def code(x: int, b: int) -> int:
    return (x - 1) % ((1 << b) + 1)


@pytest.mark.parametrize("b", WIDTHS)
def test_conversion_from_diminished(b: int) -> None:
    modulus = (1 << b) + 1
    nonzero = range(1, modulus)
    printed = [addition(code(x, b), 1, b, b + 1) for x in nonzero]
    assert all(
        p % modulus == (code(x, b) + 2) % modulus and p % modulus != x
        for p, x in zip(printed, nonzero, strict=True)
    )
    assert all(addition(code(x, b), 0, b, b + 1) == x for x in nonzero)
    assert any(addition(code(x, b), 0, b, b) != x for x in nonzero), "b result bits would have been enough"


@pytest.mark.parametrize("b", WIDTHS)
def test_conversion_to_diminished(b: int) -> None:
    assert all(addition(x, (1 << b) - 1, b, b + 1) == code(x, b) for x in range((1 << b) + 1) if x < 1 << b)


@pytest.mark.parametrize("b", WIDTHS)
def test_negation(b: int) -> None:
    modulus = (1 << b) + 1
    for x in range(1, modulus):
        assert ((1 << b) - code(x, b)) % modulus != code(-x, b)
        assert (1 << b) - 1 - code(x, b) == code(-x, b)


@pytest.mark.parametrize("b", WIDTHS)
def test_addition_needs_the_flag(b: int) -> None:
    modulus = (1 << b) + 1
    wrong = []
    for x in range(modulus):
        for y in range(modulus):
            assert addition(code(x, b), code(y, b), b, b + 1) == code(x + y, b)
            if addition(code(x, b), code(y, b), b, b) != code(x + y, b):
                wrong.append((x, y))
    assert wrong == [(x, modulus - x) for x in range(1, modulus)]


@pytest.mark.parametrize("b", WIDTHS)
def test_left_shift(b: int) -> None:
    modulus, mask = (1 << b) + 1, (1 << b) - 1

    def printed(value: int, k: int) -> int:
        for _ in range(k):
            value = ((value << 1) & mask) | (1 - (value >> (b - 1)))
        return value

    for x in range(1, modulus):
        for k in range(2 * b):
            assert printed(code(x, b), k) == code(x << k, b)
            rotated = ((code(x, b) << (k % b)) | (code(x, b) >> (b - k % b))) & mask
            wrapped = rotated ^ ((1 << (k % b)) - 1)
            assert (wrapped if k < b else wrapped ^ mask) == code(x << k, b)
            if k >= b:
                assert wrapped != code(x << k, b), "the second complement is needed"
    assert printed(0, 1) == 1, "an ungated zero (flag set, bits 0) would gain a bit"


@pytest.mark.parametrize("b", WIDTHS)
def test_multiplication(b: int) -> None:
    """Three readings of the general path, special cases for 0 and -1 granted; only the last is right, and
    needs no -1 case."""
    modulus, mask = (1 << b) + 1, (1 << b) - 1

    def printed(x: int, y: int, negate: int, bits: int) -> int:
        """b-bit operands, halves of their product, a diminished-1 subtraction of the halves."""
        high, low = divmod((x & mask) * (y & mask), 1 << b)
        return addition(low, negate - high, b, bits)

    failures = {"printed negation": 0, "b result bits": 0, "corrected": 0}
    for x in range(modulus):
        for y in range(modulus):
            if x != 1 << b and y != 1 << b:
                failures["printed negation"] += printed(x, y, 1 << b, b + 1) != code(x * y, b)
                failures["b result bits"] += printed(x, y, mask, b) != code(x * y, b)
                failures["corrected"] += printed(x, y, mask, b + 1) != code(x * y, b)
            if x == 0 or y == 0:
                continue  # gated: the one special case
            p = code(x, b) * code(y, b) + code(x, b) + code(y, b)
            assert p < 1 << (2 * b)
            high, low = divmod(p, 1 << b)
            product = (low - high + (low < high)) & mask
            zero = low - high == -1
            assert (1 << b if zero else product) == code(x * y, b)
            assert product == 0 or not zero
    assert failures["printed negation"] > 0 and failures["b result bits"] > 0 and failures["corrected"] == 0
    if b > 2:
        assert printed(1 << b, 3, mask, b + 1) != code(3 << b, b), (
            "-1 does not fit b bits: that reading needs its special case"
        )
