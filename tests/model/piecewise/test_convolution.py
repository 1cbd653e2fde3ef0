"""The AND-popcount convolution against onnxruntime's ConvInteger and torch-free direct sums."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.convolution import convolve2d


def conv_integer(x: np.ndarray, weight: np.ndarray, stride, pad, dilation, group) -> np.ndarray:
    """ConvInteger of int8 weights over uint8 activations, run by onnxruntime."""
    node = helper.make_node(
        "ConvInteger", ["x", "w"], ["y"], strides=stride, pads=pad, dilations=dilation, group=group
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [
            helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape),
            helper.make_tensor_value_info("w", TensorProto.INT8, weight.shape),
        ],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [None] * 4)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x.astype(np.uint8), "w": weight.astype(np.int8)})[0].astype(np.int64)


def random_levels(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    half = m // 2
    negative, positive = (
        -rng.choice(np.arange(1, 128), half, replace=False),
        rng.choice(np.arange(1, 128), half, replace=False),
    )
    return np.sort(np.concatenate([negative, [0], positive])), np.sort(
        np.append(rng.choice(np.arange(1, 128), n, replace=False), 0)
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.sampled_from([2, 4, 6, 8]),
    n=st.integers(1, 9),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pad=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    group=st.sampled_from([1, 2, 3]),
    channels=st.integers(1, 12),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
)
def test_equals_onnxruntime(seed, m, n, kernel, stride, pad, dilation, group, channels, size):
    rng = np.random.default_rng(seed)
    levels_w, levels_a = random_levels(rng, m, n)
    index = rng.integers(0, n + 1, (2, channels * group, *size), dtype=np.uint8)
    codes = rng.integers(0, m + 1, (2 * group, channels, *kernel), dtype=np.uint8)
    expected = conv_integer(levels_a[index], levels_w[codes], stride, pad, dilation, group)
    got = convolve2d(index, codes, levels_w, levels_a, stride, pad, dilation, group)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got, expected)


def test_more_than_one_chunk_and_many_words():
    rng = np.random.default_rng(1)
    levels_w, levels_a = random_levels(rng, 4, 5)
    index = rng.integers(0, 6, (70, 32, 8, 8), dtype=np.uint8)
    codes = rng.integers(0, 5, (32, 32, 3, 3), dtype=np.uint8)
    expected = conv_integer(levels_a[index], levels_w[codes], (1, 1), (1, 1, 1, 1), (1, 1), 1)
    np.testing.assert_array_equal(convolve2d(index, codes, levels_w, levels_a, pad=(1, 1, 1, 1)), expected)


GOOD = {
    "index": np.zeros((1, 2, 4, 4), np.uint8),
    "codes": np.zeros((2, 2, 3, 3), np.uint8),
    "levels_w": [-2, 0, 1],
    "levels_a": [0, 3],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index": np.full((1, 2, 4, 4), 2, np.uint8)}, "indices must be 0..1"),
        ({"codes": np.full((2, 2, 3, 3), 3, np.uint8)}, "codes must be 0..2"),
        ({"codes": np.zeros((2, 3, 3, 3), np.uint8)}, "do not fit 2 input channels"),
        ({"codes": np.zeros((2, 2, 5, 5), np.uint8)}, "does not fit a padded map"),
        ({"levels_w": [-2, 1, 2]}, "0 in the middle"),
        ({"levels_w": [-2, 0, 0]}, "must ascend"),
        ({"levels_a": [1, 3]}, "the first one 0"),
        ({"stride": (0, 1)}, "must be positive"),
    ],
)
def test_bad_input_is_named(change, words):
    convolve2d(**GOOD)
    with pytest.raises(InputError, match=words):
        convolve2d(**{**GOOD, **change})
