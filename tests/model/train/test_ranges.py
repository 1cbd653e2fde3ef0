"""What options may be, against what torch and the schemes themselves take."""

import math

import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.nn.scheme import methods, scheme
from fermatnet.model.train.options import Options
from fermatnet.model.train.ranges import CHOICES, RANGES, SCHEMES, check_device, check_scheme


def accepts(call, *arguments, **named) -> bool:
    try:
        call(*arguments, **named)
    except InputError:
        return False
    return True


def test_schemes_take_the_counts_that_the_table_says():
    assert set(SCHEMES) == set(methods())
    for name in SCHEMES:
        for count in (*range(-1, 34), 64, 65, 126):
            assert accepts(check_scheme, name, weights=count) == accepts(scheme, name, weights=count), (
                name,
                count,
            )
            assert accepts(check_scheme, name, activations=count) == accepts(
                scheme, name, activations=count
            ), (name, count)


@pytest.mark.parametrize("name", RANGES)
def test_ends_of_ranges(name):
    low, high, is_open = RANGES[name]
    more = {"float_epochs": 1} if name == "epochs" else {}
    kind = float if isinstance(getattr(Options(), name), float) else int
    for value, good in (
        (low, not is_open),
        (high, True),
        (low - 1, False),
        (high + 1, False),
        (math.nan, False),
        (math.inf, False),
    ):
        value = kind(value) if math.isfinite(value) else value
        assert accepts(Options, **{name: value, **more}) == good, value


@pytest.mark.parametrize("name", CHOICES)
def test_words(name):
    assert all(accepts(Options, **{name: word}) for word in CHOICES[name]) and not accepts(
        Options, **{name: "nope"}
    )


@pytest.mark.parametrize(
    "name, good",
    [
        ("cpu", True),
        ("cuda", True),
        ("cuda:1", True),
        ("mps", True),
        ("nope", False),
        ("cuda:", False),
        ("cpu ", False),
        ("", False),
    ],
)
def test_devices(name, good):
    assert accepts(check_device, name) == good


def test_milestones_are_shares_or_epochs():
    assert not accepts(Options, milestones=(math.nan,)) and accepts(Options, milestones=(60.0, 120.0))
