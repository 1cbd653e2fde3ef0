"""Float files of others as torch models: the same numbers as LiteRT, and what is refused."""

import numpy as np
import pytest
import torch

from fermatnet.bench.exchange.tflite_files import Op, Tensor, residual, write
from fermatnet.bench.training.float_tflite import read_float_tflite
from fermatnet.model.errors import InputError


def _file(path, rng):
    """3x3 at stride 1 with a rectifier, the same at stride 2 and a 1x1 shortcut at stride 2, their sum, a
    mean, a dense layer, a softmax."""
    tensors, ops = [Tensor("image", (1, 8, 8, 3), None, dtype="float32")], []

    def constant(*shape):
        data = rng.normal(0, 0.3, shape).astype(np.float32)
        tensors.append(Tensor(f"w{len(tensors)}", shape, None, dtype="float32", data=data))
        return len(tensors) - 1

    def add(kind, inputs, shape, table, **options):
        tensors.append(Tensor(f"v{len(tensors)}", shape, None, dtype="float32"))
        ops.append(Op(kind, inputs, [len(tensors) - 1], options, f"{table}Options"))
        return len(tensors) - 1

    def conv(x, inputs, side, stride, size, relu):
        parts = [x, constant(4, side, side, inputs), constant(4)]
        steps = {"Padding": 0, "StrideW": stride, "StrideH": stride, "FusedActivationFunction": relu}
        return add("CONV_2D", parts, (1, size, size, 4), "Conv2D", **steps)

    stem = conv(0, 3, 3, 1, 8, 1)
    main, side = conv(stem, 4, 3, 2, 4, 0), conv(stem, 4, 1, 2, 4, 0)
    joined = add("ADD", [side, main], (1, 4, 4, 4), "Add", FusedActivationFunction=1)
    pool = {"Padding": 1, "StrideW": 4, "StrideH": 4, "FilterWidth": 4, "FilterHeight": 4}
    mean = add("AVERAGE_POOL_2D", [joined], (1, 1, 1, 4), "Pool2D", **pool)
    tensors.append(Tensor("shape", (2,), None, dtype="int32", data=np.array([1, 4], np.int32)))
    flat = add("RESHAPE", [mean, len(tensors) - 1], (1, 4), "Reshape")
    logits = add("FULLY_CONNECTED", [flat, constant(5, 4), constant(5)], (1, 5), "FullyConnected")
    return write(path, tensors, ops, [0], [logits])


def test_the_same_as_litert(tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    rng = np.random.default_rng(0)
    path = _file(tmp_path / "net.tflite", rng)
    model, interpreter = read_float_tflite(path), litert.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    for image in rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None].astype(np.float32))
        interpreter.invoke()
        (wanted,) = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        pixels = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).float() / 255
        assert np.allclose(model(pixels)[0].detach().numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not there"):
        read_float_tflite(tmp_path / "none.tflite")
    with pytest.raises(InputError, match="its images are int8, not float32"):
        read_float_tflite(residual(tmp_path / "other.tflite"))
