"""The collector rests during elaboration and only then."""

import gc

import pytest

from fermatnet.hw.rtl.collection import uncollected


@uncollected()
def inside() -> bool:
    with uncollected():
        pass
    return gc.isenabled()


def test_rests_and_is_left_as_found():
    assert gc.isenabled()
    assert not inside() and not inside()
    assert gc.isenabled()
    gc.disable()
    try:
        inside()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_goes_on_after_an_error():
    with pytest.raises(ValueError, match="made up"), uncollected():
        raise ValueError("made up")
    assert gc.isenabled()
