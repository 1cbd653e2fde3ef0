"""Any quantized model into a network file: the format is recognised by its content, the result compared with
the format's own executor."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.compare import Progress
from fermatnet.model.exchange.recognise import Kind, kind_of
from fermatnet.model.network import Network

__all__ = ["Imported", "Options", "import_file", "imported"]


@dataclass(frozen=True)
class Options:
    """What a user may say about a file.

    Attributes
    ----------
    shape : (C, H, W) where the file leaves a size open (QONNX only).
    value_range : inclusive range of the integer pixels, by default (0, 255) (QONNX only).
    input_scale, input_offset : the file's input is ``input_scale * pixel + input_offset`` (QONNX only).
    calibrate : samples (n, *dims) of a float ONNX model, which is quantized with them first.
    compare : how many samples are compared with the source; None: as many as take seconds, 0: none.
    """

    shape: tuple[int, int, int] | None = None
    value_range: tuple[int, int] | None = None
    input_scale: float | None = None
    input_offset: float = 0.0
    compare: int | None = None
    calibrate: np.ndarray | None = None

    def only_for_qonnx(self) -> str | None:
        """The first option given that other formats do not take."""
        given = {
            "a shape": self.shape,
            "a range of pixels": self.value_range,
            "an input scale": self.input_scale,
            "an input offset": self.input_offset or None,
        }
        return next((what for what, value in given.items() if value is not None), None)


@dataclass(frozen=True)
class Imported:
    """An imported network, the format it came from in words, and what was done: ``notes``, one line each."""

    network: Network
    format: str
    notes: tuple[str, ...]


def import_file(path: str | Path, options: Options | None = None) -> Network:
    """The network of a quantized model file; parameters and errors as `imported`."""
    return imported(path, options).network


def imported(path: str | Path, options: Options | None = None, progress: Progress | None = None) -> Imported:
    """The network of a quantized model file, and what a user should know about it.

    Parameters
    ----------
    path : TensorFlow Lite int8, QONNX, or ONNX of quantized operators, told apart by content.
    options : see `Options`.
    progress : told the share of the comparison that is done, 0 to 1, and a word.

    Raises
    ------
    InputError
        One line naming the file's fault, the layer, operator or argument that is not read, or the outputs in
        which the network differs from the source.
    """
    options, path = options or Options(), Path(path)
    kind = kind_of(path)
    if options.calibrate is not None and kind is not Kind.FLOAT:
        raise InputError(f"{path} is not a float ONNX model: leave out the samples to calibrate with")
    if kind is Kind.QONNX or (kind is Kind.FLOAT and options.calibrate is None):
        return _qonnx(path, options, progress)
    strange = options.only_for_qonnx()
    if strange:
        raise InputError(f"{path} is {kind.value}, which says its input itself: leave out {strange}")
    if kind is Kind.FLOAT:
        from fermatnet.model.exchange.calibrate import calibrated

        assert options.calibrate is not None
        with calibrated(path, options.calibrate) as made:
            try:
                return replace(_quantized(made, options, progress), format=kind.value)
            except InputError as error:
                raise InputError(str(error).replace(str(made), f"{path}, quantized")) from error
    return (_tflite if kind is Kind.TFLITE else _quantized)(path, options, progress)


def _qonnx(path: Path, options: Options, progress: Progress | None) -> Imported:
    from fermatnet.model.exchange.qonnx import importer

    made = importer.imported(
        path,
        options.shape,
        options.value_range or (0, 255),
        options.input_scale,
        options.input_offset,
        progress,
        count=options.compare,
    )
    rounded = f"bias rounded by at most {float(made.network.meta['bias_error']):.2g}"
    return Imported(made.network, Kind.QONNX.value, (rounded, *made.notes))


def _tflite(path: Path, options: Options, progress: Progress | None) -> Imported:
    from fermatnet.model.exchange import tflite
    from fermatnet.model.exchange.integers import compare

    network = tflite.read(path)
    notes = [network.meta[key] for key in ("taken_off",) if key in network.meta]
    notes.append(
        compare(
            network,
            path,
            lambda samples: tflite.outputs(path, network, samples),
            "LiteRT's reference kernels",
            count=options.compare,
            progress=progress,
        )
    )
    return Imported(network, Kind.TFLITE.value, tuple(notes))


def _quantized(path: Path, options: Options, progress: Progress | None) -> Imported:
    from fermatnet.model.exchange import onnx_quantized

    reading = onnx_quantized.read(path)
    notes = [reading.network.meta[key] for key in ("taken_off",) if key in reading.network.meta]
    notes.append(onnx_quantized.compared(reading, options.compare, progress))
    return Imported(reading.network, Kind.QUANTIZED.value, tuple(notes))
