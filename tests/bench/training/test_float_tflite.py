"""Float files of others as torch models: the same numbers as LiteRT, and what is refused."""

import numpy as np
import pytest
import torch

from fermatnet.bench.exchange.tflite_files import Op, Tensor, residual, write
from fermatnet.bench.training.float_tflite import read_float_tflite
from fermatnet.model.errors import InputError


def _file(path, rng, size=8, **changes):
    """3x3 at stride 1 with a rectifier, the same at stride 2 and a 1x1 shortcut at stride 2, their sum, a
    mean, a dense layer, a softmax; ``changes``: options of all operators of a kind."""
    tensors, ops, half = [Tensor("image", (1, size, size, 3), None, dtype="float32")], [], -(-size // 2)

    def constant(*shape):
        data = rng.normal(0, 0.3, shape).astype(np.float32)
        tensors.append(Tensor(f"w{len(tensors)}", shape, None, dtype="float32", data=data))
        return len(tensors) - 1

    def add(kind, inputs, shape, table, **options):
        tensors.append(Tensor(f"v{len(tensors)}", shape, None, dtype="float32"))
        ops.append(Op(kind, inputs, [len(tensors) - 1], options | changes.get(table, {}), f"{table}Options"))
        return len(tensors) - 1

    def conv(x, inputs, side, stride, size, relu):
        parts = [x, constant(4, side, side, inputs), constant(4)]
        steps = {"Padding": 0, "StrideW": stride, "StrideH": stride, "FusedActivationFunction": relu}
        steps |= {"DilationWFactor": 1, "DilationHFactor": 1}
        return add("CONV_2D", parts, (1, size, size, 4), "Conv2D", **steps)

    stem = conv(0, 3, 3, 1, size, 1)
    main, side = conv(stem, 4, 3, 2, half, 0), conv(stem, 4, 1, 2, half, 0)
    joined = add("ADD", [side, main], (1, half, half, 4), "Add", FusedActivationFunction=1)
    pool = {"Padding": 1, "StrideW": half, "StrideH": half, "FilterWidth": half, "FilterHeight": half}
    mean = add("AVERAGE_POOL_2D", [joined], (1, 1, 1, 4), "Pool2D", **pool)
    tensors.append(Tensor("shape", (2,), None, dtype="int32", data=np.array([1, 4], np.int32)))
    flat = add("RESHAPE", [mean, len(tensors) - 1], (1, 4), "Reshape")
    dense = [flat, constant(5, 4), constant(5)]
    logits = add("FULLY_CONNECTED", dense, (1, 5), "FullyConnected", FusedActivationFunction=0)
    return write(path, tensors, ops, [0], [logits])


@pytest.mark.parametrize("size", [8, 7])  # at stride 2 padding is uneven, and even
def test_the_same_as_litert(tmp_path, size):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    rng = np.random.default_rng(0)
    path = _file(tmp_path / "net.tflite", rng, size)
    model, interpreter = read_float_tflite(path), litert.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    for image in rng.integers(0, 256, (4, size, size, 3)).astype(np.uint8):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None].astype(np.float32))
        interpreter.invoke()
        (wanted,) = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        pixels = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).float() / 255
        assert np.allclose(model(pixels)[0].detach().numpy(), wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("table", "option", "value", "why"),
    [
        ("Conv2D", "FusedActivationFunction", 3, "another activation than RELU"),
        ("Conv2D", "StrideW", 3, "two strides"),
        ("Conv2D", "DilationHFactor", 2, "dilation"),
        ("Add", "FusedActivationFunction", 2, "another activation than RELU"),
        ("Pool2D", "FilterHeight", 2, "a part of the map"),
        ("Pool2D", "FusedActivationFunction", 1, "an activation"),
        ("FullyConnected", "FusedActivationFunction", 4, "another activation than RELU"),
    ],
)
def test_arguments_that_are_not_read_are_named(tmp_path, table, option, value, why):
    path = _file(tmp_path / "net.tflite", np.random.default_rng(0), **{table: {option: value}})
    with pytest.raises(InputError, match=f"with {why} is not read"):
        read_float_tflite(path)


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_float_tflite(tmp_path / "none.tflite")
    with pytest.raises(InputError, match="its images are int8, not float32"):
        read_float_tflite(residual(tmp_path / "other.tflite"))
