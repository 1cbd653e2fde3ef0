"""The table of names against what is registered."""

import inspect

import pytest

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.zoo.catalogue import NAMES, check


def test_the_table_is_what_the_modules_register():
    assert sorted(NAMES) == zoo.names()
    for name, item in NAMES.items():
        entry, _ = zoo.entry(name)
        assert (item.help, item.pattern) == (entry.help, entry.pattern), name
        assert item.trainable == ("how" in inspect.signature(entry.builder).parameters), name


def test_families_and_near_names():
    check("ua-resnet21-50", trained=True)
    for name, words in (
        ("ua-resnet21", "did you mean .*ua-resnet37-41"),
        ("xyz123", "there are a-densenet"),
        ("", "there are"),
    ):
        with pytest.raises(InputError, match=words):
            check(name)
    with pytest.raises(InputError, match="mobilenetv2 is not trained by this front end"):
        check("mobilenetv2", trained=True)
