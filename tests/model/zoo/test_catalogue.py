"""The table of names against what is registered."""

import inspect

import pytest

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.zoo.catalogue import NAMES, check, check_scheme


def test_the_table_is_what_the_modules_register():
    assert sorted(NAMES) == zoo.names()
    for name, item in NAMES.items():
        entry, _ = zoo.entry(name)
        assert (item.help, item.pattern) == (entry.help, entry.pattern), name
        assert (item.form == "scheme") == ("how" in inspect.signature(entry.builder).parameters), name


def test_families_and_near_names():
    check("ua-resnet21-50")
    for name, words in (
        ("ua-resnet21", "did you mean .*ua-resnet37-41"),
        ("xyz123", "there are a-densenet"),
        ("", "there are"),
    ):
        with pytest.raises(InputError, match=words):
            check(name)


def test_schemes_that_a_network_cannot_have():
    for name, scheme in (
        ("digits", "pa"),
        ("mobilenetv2", "float"),
        ("bireal-resnet18-8", "thesis"),
        ("reaf-resnet50", "thesis"),
    ):
        check_scheme(name, scheme)
    for name, scheme, words in (
        ("mobilenetv2", "pa", "trained in full precision"),
        ("bireal-resnet18", "sign", "one-bit layers of its own"),
        ("cnv", "thesis", "no form of its own"),
        ("ssd300-vgg16", "float", "fermatnet detect train"),
    ):
        with pytest.raises(InputError, match=words):
            check_scheme(name, scheme)
