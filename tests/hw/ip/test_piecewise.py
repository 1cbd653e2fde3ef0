"""The stand-alone blocks of this engine: generated, deterministic, refused with one line when wrong."""

import json

import pytest

from fermatnet.hw.ip.piecewise import BLOCKS
from fermatnet.hw.ip.registry import generate
from fermatnet.model.errors import InputError


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("popcount", {"width": 24}),
        ("popcount", {"width": 24, "target": "ecp5", "pipeline": 2}),
        ("popcount", {"width": 9, "target": "generic"}),
        ("array", {"outputs": 8, "inputs": 36, "pe": 2, "simd": 6}),
        ("threshold", {"channels": 6, "lanes": 2, "bits": 9}),
    ],
)
def test_generates_the_same_bytes_twice(name, options, tmp_path):
    texts = []
    for run in ("first", "second"):
        folder = tmp_path / run
        folder.mkdir()
        interface = generate(name, folder, **options)
        texts.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
        assert json.loads((folder / "interface.json").read_text()) == json.loads(json.dumps(interface))
        assert f"module {name}(" in (folder / f"{name}.v").read_text()
    assert texts[0] == texts[1]


def test_names_match():
    assert all(BLOCKS[name].name == name for name in BLOCKS) and {"popcount", "array", "threshold"} <= set(
        BLOCKS
    )


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("popcount", {"width": -3}, "at least 1"),
        ("array", {"levels_w": "1,x"}, "integers with commas"),
        ("array", {"simd": 7}, "simd must divide"),
        ("threshold", {"lanes": 5}, "lanes must divide"),
    ],
)
def test_bad_options_are_named(name, options, words, tmp_path):
    with pytest.raises(InputError, match=words):
        generate(name, tmp_path, **options)
    assert not list(tmp_path.iterdir())
