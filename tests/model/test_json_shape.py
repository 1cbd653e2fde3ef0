"""Shapes of JSON documents: what fits passes, what does not is named with its place."""

import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate

SHAPE = {
    "name": str,
    "rate": float,
    "shape": [SIZE, SIZE],
    "tags": [str],
    "seed": int | None,
    "deep": {"flag": bool},
}
GOOD = {
    "name": "n",
    "rate": 1,
    "shape": [3, 1],
    "tags": [],
    "seed": None,
    "deep": {"flag": False},
    "more": object,
}


def test_what_fits_passes():
    validate(GOOD, SHAPE, "file")
    validate({**GOOD, "rate": 0.5, "tags": ["a", "b"], "seed": 4}, SHAPE, "file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": None}, "file is damaged: name must be str, not 'None'"),
        ({"rate": True}, "file is damaged: rate must be float, not 'True'"),
        ({"rate": "1"}, "file is damaged: rate must be float, not '1'"),
        ({"shape": [3]}, "file is damaged: shape must hold 2 values, not 1"),
        ({"shape": [3, 0]}, "file is damaged: shape.1 must lie within 1..2147483647, not 0"),
        ({"shape": [3, 1.0]}, "file is damaged: shape.1 must be int, not '1.0'"),
        ({"tags": ["a", 1]}, "file is damaged: tags.1 must be str, not '1'"),
        ({"tags": "ab"}, "file is damaged: tags must be list, not 'ab'"),
        ({"seed": False}, "file is damaged: seed must be int or nothing, not 'False'"),
        ({"deep": {}}, "file is damaged: it has no deep.flag"),
        ({"deep": {"flag": 1}}, "file is damaged: deep.flag must be bool, not '1'"),
        ({"deep": 3}, "file is damaged: deep must be dict, not '3'"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    with pytest.raises(InputError) as caught:
        validate({**GOOD, **change}, SHAPE, "file")
    assert str(caught.value) == words
    with pytest.raises(InputError, match="it must be dict"):
        validate([], SHAPE, "file")
