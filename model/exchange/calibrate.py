"""A float ONNX model quantized after training: onnxruntime's own quantizer does the work."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from fermatnet.model.errors import InputError

__all__ = ["calibrated"]


@contextmanager
def calibrated(path: str | Path, samples: np.ndarray) -> Iterator[Path]:
    """The QDQ file that onnxruntime makes of a float model: int8, a scale for each output channel of the
    weights, zero points for activations; there until the block ends.

    ``samples``: (n, *dims) of the model's input, float32 or integers that become it; the range of every
    tensor is the one that they reach. Raises InputError for a model that onnxruntime does not quantize.
    """
    try:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ModuleNotFoundError as error:
        raise InputError(
            "quantizing a float model needs the Python package onnxruntime: pip install 'fermatnet[exchange]'"
        ) from error
    name = _input(path, samples)
    before = logging.root.manager.disable
    with tempfile.TemporaryDirectory() as scratch:
        ready, made = Path(scratch) / "ready.onnx", Path(scratch) / "quantized.onnx"
        try:
            logging.disable(logging.WARNING)  # advice that this function follows already
            quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
            quantize_static(
                ready,
                made,
                _reader(name, samples),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # the quantizer raises whatever its parts do
            words = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise InputError(f"{path}: onnxruntime cannot quantize it: {words}") from error
        finally:
            logging.disable(before)
        yield made


def _input(path: str | Path, samples: np.ndarray) -> str:
    """The name of the model's only input; InputError unless the samples fit it."""
    model = onnx.load_model(str(path), load_external_data=False)
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    if len(inputs) != 1:
        raise InputError(f"{path} has {len(inputs)} inputs, one is quantized")
    if samples.dtype.kind not in "iuf" or samples.ndim < 2 or not len(samples):
        raise InputError(
            f"samples to calibrate with must be numbers of shape (n, ...), not {samples.dtype} "
            f"{samples.shape}"
        )
    if not np.isfinite(samples).all():
        raise InputError("samples to calibrate with hold numbers that are not finite")
    dims = [size.dim_value for size in inputs[0].type.tensor_type.shape.dim][1:]
    fits = len(dims) + 1 == samples.ndim
    if not fits or any(d not in (0, size) for d, size in zip(dims, samples.shape[1:], strict=True)):
        shown = ", ".join(str(d or "?") for d in dims)
        raise InputError(f"{path} takes samples of shape (n, {shown}), not {samples.shape}")
    return inputs[0].name


def _reader(name: str, samples: np.ndarray) -> object:
    """Sample by sample, as onnxruntime's calibration asks for them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(samples)

        def get_next(self) -> dict[str, np.ndarray] | None:
            sample = next(self.rest, None)
            return None if sample is None else {name: sample[None].astype(np.float32)}

    return Reader()
