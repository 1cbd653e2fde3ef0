"""Patterns and schemes as words."""

import pytest

from fermatnet.model.errors import InputError
from fermatnet.model.nn.patterns import check_patterns, covers, parse, split
from fermatnet.model.nn.scheme import scheme


@pytest.mark.parametrize(
    "word, parts",
    [
        ("int8", ("int8", None, None, None)),
        ("pa(4)", ("pa", 4, None, None)),
        ("int8(4, 3)", ("int8", 4, 3, None)),
        ("mean-sign(1,0,6)", ("mean-sign", 1, 0, 6)),
    ],
)
def test_words(word, parts):
    assert parse(word) == parts


@pytest.mark.parametrize("word", ["", "8", "int8(", "int8()", "int8(-4,4)", "int8(4,4,4,4)"])
def test_words_that_are_none(word):
    with pytest.raises(InputError, match="no scheme"):
        parse(word)


def test_a_word_comes_back():
    made = scheme("int8", weights=4, activations=3, edge_bits=6)
    name, weights, activations, edge = parse(made.word())
    assert scheme(name, weights=weights, activations=activations, edge_bits=edge) == made


@pytest.mark.parametrize(
    "pattern, name, is_covered",
    [
        ("layer1", "layer1.0.conv1", True),
        ("layer1.*", "layer1.0.conv1", True),
        ("layer1.*", "layer1", False),
        ("layer?.conv1", "layer2.conv1.quantizer", True),
        ("*.conv1", "block.conv1", True),
        ("*.conv1", "conv1", False),
        ("layer1", "layer10.conv1", False),
        ("[ab].x", "b.x", True),
        ("LAYER1", "layer1", False),
    ],
)
def test_what_a_pattern_covers(pattern, name, is_covered):
    assert covers(pattern, name) == is_covered


def test_entries():
    assert split("a=b=int8") == ("a=b", "int8")
    for entry in ("a", "=int8", "a="):
        with pytest.raises(InputError, match="PATTERN=SCHEME"):
            split(entry)


def test_nothing_near():
    with pytest.raises(InputError, match=r"there are conv0, .*, conv11, \.\.\."):
        check_patterns(["zzz"], [f"conv{k}" for k in range(20)])
    check_patterns(["conv1", "conv1?"], [f"conv{k}" for k in range(20)])
