"""What convert refuses of its arguments: images, shapes, ranges, bits."""

import numpy as np
import pytest
import torch
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.convert import convert
from fermatnet.model.nn.scheme import scheme
from tests.model.nn.door.forms import SHAPE, conv

U8 = torch.zeros(2, *SHAPE, dtype=torch.uint8)


ARGUMENTS = {
    "floats": ({"images": torch.rand(2, *SHAPE)}, r"undo the scaling, \(x \* 255\)"),
    "truth values": ({"images": U8.bool()}, "must be uint8, int8, int16 or uint16"),
    "negative": ({"images": U8.to(torch.int16) - 1, "bits": 8, "signed": False}, "hold -1"),
    "float arrays": ({"images": np.zeros((2, *SHAPE))}, "undo the scaling"),
    "objects": ({"images": np.array([None])}, "objects"),
    "a list": ({"images": [1, 2]}, "not list"),
    "another shape": ({"images": U8[:, :1]}, r"must be \(n, 3, 12, 12\)"),
    "no images": ({"images": U8[:0]}, "n above 0"),
    "too bright": ({"images": U8 + 16, "bits": 4}, "hold 16..16, but bits=4"),
    "17 bits": ({"bits": 17}, r"from 1 to 16.*images >> n"),
    "no bits": ({"bits": 0}, "from 1 to 16"),
    "half a bit": ({"bits": 7.5}, "from 1 to 16"),
    "one bit and a sign": ({"bits": 1, "signed": True}, "at least 2 bits"),
    "a word for a sign": ({"signed": "yes"}, "signed must be True"),
    "nan mean": ({"mean": [float("nan")] * 3}, "mean and std must be 3 numbers"),
    "short mean": ({"mean": [0.5]}, "must be 3 numbers"),
    "zero std": ({"std": [1.0, 0.0, 1.0]}, "std positive"),
    "words": ({"mean": "abc"}, "must be 3 numbers"),
    "a number": ({"mean": 0.5}, "3 numbers"),
    "infinite std": ({"std": [1.0, 1.0, float("inf")]}, "3 numbers"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(name):
    options, words = ARGUMENTS[name]
    with pytest.raises(InputError, match=words):
        convert(conv(), scheme("int8"), SHAPE, **options)


@pytest.mark.parametrize(
    "shape", [(3, 12, -12), (0, 12, 12), "3x12x12", None, (3.0, 12, 12), (), (3, 12, 12, 1), 12]
)
def test_shapes(shape):
    with pytest.raises(InputError, match=r"shape must be \(C, H, W\)"):
        convert(conv(), scheme("int8"), shape)


@pytest.mark.parametrize("model", [None, 3, nn.Conv2d, lambda x: x])
def test_models_that_are_none(model):
    with pytest.raises(InputError, match=r"must be a torch\.nn\.Module"):
        convert(model, scheme("int8"), SHAPE)


def test_arrays_and_bits():
    _, report = convert(conv(), scheme("int8"), SHAPE, images=np.full((4, *SHAPE), 15, np.uint8), bits=4)
    assert report.compared
    with pytest.raises(InputError, match="scheme must be made by"):
        convert(conv(), "int8", SHAPE)
