"""What the packed engine is measured beside: torch in fp32, onnxruntime in fp32 and INT8, Larq Compute
Engine.
"""

import contextlib
import copy
import io
import json
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

__all__ = ["Call", "larq", "ort_models", "ort_session", "torch_ways"]

Call = Callable[[], object]


def torch_ways(model: torch.nn.Module, images: np.ndarray, compiled: bool) -> dict[str, Call]:
    """Calls of a full-precision model, each a way to run it: as it is, channels last, compiled by inductor.
    Values are never compared.
    """
    x = torch.from_numpy(images).float()
    last = x.contiguous(memory_format=torch.channels_last)
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ways = {"torch": _inference(model, x), "torch channels last": _inference(other, last)}
    if compiled:
        ways["torch compiled"] = _inference(torch.compile(copy.deepcopy(model), dynamic=False), x)
    return ways


def _inference(model: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Call:
    def call() -> object:
        with torch.inference_mode():
            return model(x)

    return call


class _Images(CalibrationDataReader):
    def __init__(self, images: np.ndarray):
        self.left = [{"image": images.astype(np.float32)}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.left.pop() if self.left else None


def ort_models(model: torch.nn.Module, images: np.ndarray) -> dict[str, bytes]:
    """The model as ONNX: fp32, and quantized by onnxruntime's own tool to INT8 (QDQ, weights per channel,
    activations uint8 or int8).
    """
    x = torch.from_numpy(images[:8]).float()
    with (
        tempfile.TemporaryDirectory() as name,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        plain, ready = Path(name, "plain.onnx"), Path(name, "ready.onnx")
        torch.onnx.export(
            model,
            (x,),
            str(plain),
            input_names=["image"],
            dynamic_axes={"image": {0: "n"}},
            dynamo=False,
            opset_version=17,
        )
        quant_pre_process(str(plain), str(ready))
        models = {"onnxruntime fp32": ready.read_bytes()}
        for label, kind in (
            ("onnxruntime int8 (u8 x s8)", QuantType.QUInt8),
            ("onnxruntime int8 (s8 x s8)", QuantType.QInt8),
        ):
            quantized = Path(name, "quantized.onnx")
            quantize_static(
                str(ready),
                str(quantized),
                _Images(images[:32]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=kind,
                weight_type=QuantType.QInt8,
            )
            models[label] = quantized.read_bytes()
    return models


def ort_session(model: bytes, images: np.ndarray, threads: int) -> Call:
    """A call of an ONNX model with so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"image": images.astype(np.float32)}
    return lambda: session.run(None, feed)


def larq(python: str, threads: int) -> dict[str, float]:
    """Seconds an image of Larq Compute Engine by "network batch", in the environment of that Python (see
    `larq.py`).
    """
    worker = Path(__file__).with_name("larq.py")
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python, "-P", str(worker), str(threads)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"larq-compute-engine does not run: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
        )
    times: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return times
