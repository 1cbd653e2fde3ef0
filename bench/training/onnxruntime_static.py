"""onnxruntime's ``quantize_static`` as a rival: a torch model exported, quantized in several ways, run."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fermatnet.model.train.data import Part

__all__ = ["quantized_accuracies"]

_FOUR_BITS = 21  # the first opset whose QuantizeLinear knows integers of 4 bits


def quantized_accuracies(
    model: nn.Module, images: np.ndarray, part: Part, ways: Mapping[str, Mapping[str, Any]]
) -> dict[str, float | str]:
    """Accuracy of ``model``, which takes pixels / 255, as onnxruntime quantizes it with those uint8 images,
    QDQ form; its words where it refuses to run the file.

    ways : by label: ``calibrate_method``, ``weight_type`` and ``activation_type`` by their names (usual:
        QInt8), ``per_channel``
    """
    found: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory(prefix="fermatnet-post-training-") as folder, _quietly():
        plain, quantized = Path(folder) / "float.onnx", Path(folder) / "quantized.onnx"
        _export(model, plain, images.shape[1:], any("Int4" in str(way) for way in ways.values()))
        for label, way in ways.items():
            try:
                _quantize(plain, quantized, images, way)
                found[label] = _accuracy(quantized, part)
            except Exception as error:  # onnxruntime has no common base of its own errors
                if "Int4" not in str(way):
                    raise
                found[label] = f"refused: {(str(error).splitlines() or [''])[0]}"
    return found


def _export(model: nn.Module, path: Path, shape: tuple[int, ...], four_bits: bool) -> None:
    import onnx
    from onnx import version_converter

    torch.onnx.export(
        model,
        (torch.zeros(1, *shape),),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}},
        dynamo=False,
        opset_version=17,
    )
    if four_bits:
        onnx.save(version_converter.convert_version(onnx.load(path), _FOUR_BITS), path)


def _quantize(plain: Path, target: Path, images: np.ndarray, way: Mapping[str, Any]) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    real = images.astype(np.float32) / 255

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter([{"image": real[start : start + 32]} for start in range(0, len(real), 32)])

        def get_next(self) -> Any:
            return next(self.batches, None)

    quantize_static(
        str(plain),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=way.get("per_channel", False),
        activation_type=getattr(QuantType, way.get("activation_type", "QInt8")),
        weight_type=getattr(QuantType, way.get("weight_type", "QInt8")),
        calibrate_method=getattr(CalibrationMethod, way.get("calibrate_method", "MinMax")),
    )


def _accuracy(path: Path, part: Part) -> float:
    session, right = _session(path), 0
    for start in range(0, len(part), 250):
        x = part.images[start : start + 250].astype(np.float32) / 255
        right += int((session.run(None, {"image": x})[0].argmax(1) == part.labels[start : start + 250]).sum())
    return right / len(part)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the progress and the advice that the exporter and the quantizer print."""
    was = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(was)
