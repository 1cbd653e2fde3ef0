"""QONNX -> network file: uniform quantizers of Brevitas and others become piecewise or integer layers with
the same integers.

QONNX (Pappalardo et al. 2022) writes quantization as nodes ``Quant(x, scale, zero_point, bits)``. Here

* a Quant of a constant weight gives the integers of a layer: few levels after an activation of few levels ->
  piecewise layer, else INT8/16;
* a Quant of an activation becomes thresholds, one integer of the accumulator for each step, found by
  bisecting the float64 function of all that lies between (constants added and multiplied, batch norm,
  rectifier, the rounding of Quant): ties included;
* a BipolarQuant likewise, of the two integers -1 and 1 (0 counts as positive);
* the last layer's bias is rounded to the accumulator's unit where no finer unit makes it whole (the only
  rounding; its largest error is in the metadata).

Every node goes through the table `fermatnet.model.exchange.operators`, and what is not there is named in an
InputError. The network is then run beside the file's own executor (`fermatnet.model.exchange.compare`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.compare import Progress, compare
from fermatnet.model.exchange.qonnx.graph import Graph
from fermatnet.model.exchange.qonnx.outputs import Output, finished
from fermatnet.model.exchange.qonnx.pixels import OtherPixels
from fermatnet.model.exchange.qonnx.values import Step, Value
from fermatnet.model.exchange.qonnx.walk import result, walk
from fermatnet.model.exchange.recognise import unlike_qonnx
from fermatnet.model.exchange.source_file import Source, input_shape, read
from fermatnet.model.network import Network

__all__ = ["Imported", "Translation", "import_qonnx", "imported", "translated"]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Imported:
    """An imported network and what was done: ``notes``, one line each."""

    network: Network
    notes: tuple[str, ...]


def import_qonnx(
    path: str | Path,
    shape: Shape | None = None,
    value_range: tuple[int, int] = (0, 255),
    input_scale: float | None = None,
    input_offset: float = 0.0,
) -> Network:
    """The network file of a QONNX model whose input is an image of integers, compared with the file's own
    executor.

    Parameters as `imported`, whose ``network`` this is.
    """
    return imported(path, shape, value_range, input_scale, input_offset).network


def imported(
    path: str | Path,
    shape: Shape | None = None,
    value_range: tuple[int, int] = (0, 255),
    input_scale: float | None = None,
    input_offset: float = 0.0,
    progress: Progress | None = None,
    count: int | None = None,
) -> Imported:
    """The network of a QONNX model, and what a user should know about it.

    Parameters
    ----------
    path : the file.
    shape : (C, H, W), by default the model's own; a vector of n features is (n, 1, 1).
    value_range : inclusive range of the integer pixels.
    input_scale, input_offset : the model's input is ``input_scale * pixel + input_offset``. By default the
    pixel itself, or the
        pixel by 255 or 256 where the model's first quantizer was made for those and for no others.
    progress : told the share of the comparison that is done, 0 to 1, and a word, where it takes longer than a
    moment.
    count : of the images compared; None: as many as take seconds, 0: none.

    Raises
    ------
    InputError
        One line naming the file's fault, the node or argument that is not supported, or the outputs in which
        the network differs from the file.
    """
    source = read(path)
    made = translated(source, shape, value_range, input_scale, input_offset)
    if count == 0:
        return Imported(made.network, (*made.notes, "not compared with the source, as asked"))
    compared = compare(
        made.network, made.tensor, made.output, source, made.scale, input_offset, count, progress=progress
    )
    return Imported(made.network, (*made.notes, compared))


@dataclass(frozen=True)
class Translation:
    """A network that has not been compared yet: ``tensor`` of the source is what it gives, ``scale`` that of
    the pixels."""

    network: Network
    output: Output
    tensor: str
    scale: float
    notes: tuple[str, ...]


def translated(
    source: Source,
    shape: Shape | None = None,
    value_range: tuple[int, int] = (0, 255),
    input_scale: float | None = None,
    input_offset: float = 0.0,
) -> Translation:
    """The network of a model that was read; parameters and errors as `imported`."""
    strange = unlike_qonnx((node.domain, node.op_type) for node in source.model.graph.node)
    if strange:
        raise InputError(f"{source.path}: {strange}")
    if (input_scale is not None and (not np.isfinite(input_scale) or input_scale == 0)) or not np.isfinite(
        input_offset
    ):
        raise InputError(
            f"the input's scale and offset must be finite, the scale not 0, not {input_scale} and "
            f"{input_offset}"
        )
    given = input_scale is not None or input_offset != 0
    scale, notes = (1.0 if input_scale is None else input_scale), []
    try:
        graph, last = _mapped(source, shape, value_range, scale, input_offset, given)
    except OtherPixels as other:
        scale = other.scale
        notes.append(f"pixel k stands for k/{round(1 / scale)}, as the file's first quantizer says")
        graph, last = _mapped(source, shape, value_range, scale, input_offset, True)
    output = finished(graph, result(graph, source.output))
    network = _network(source, graph, output, value_range)
    return Translation(network, output, last, scale, (*notes, *graph.notes))


def _mapped(
    source: Source,
    shape: Shape | None,
    value_range: tuple[int, int],
    scale: float,
    offset: float,
    judged: bool,
) -> tuple[Graph, str]:
    """The graph with every node mapped, and the tensor that the network gives."""
    own, batch, sizes = input_shape(source, shape)
    graph = Graph(sizes, value_range)
    graph.batch, graph.opsets, graph.judged = batch, source.opsets, judged
    width = next(
        item.type.tensor_type.elem_type for item in source.model.graph.input if item.name == source.input
    )
    for item in source.model.graph.initializer:
        if item.name in graph.constants:
            raise InputError(f"QONNX constant {item.name!r} is there twice")
        graph.constants[item.name] = value = graph.finite(item.name, item)
        if value.dtype.kind == "f" and item.data_type != width:
            graph.strange.add(item.name)
    column = np.full((1, 1, 1), float(offset))
    chain = (Step(lambda y: y + column, np.ones((1, 1, 1)), column),) if offset else ()
    graph.values[source.input] = Value("image", np.full(sizes[0], float(scale)), own, chain=chain)
    return graph, walk(graph, source.model.graph, source.output)


def _network(source: Source, graph: Graph, output: Output, value_range: tuple[int, int]) -> Network:
    meta = {
        "name": source.path.stem,
        "source": "qonnx",
        "output_scale": repr(output.scale),
        "bias_error": repr(output.bias_error),
    }
    own = graph.values[source.input]
    if own.scale[0] != 1:
        meta["input_scale"] = repr(float(own.scale[0]))
    if own.chain:
        meta["input_offset"] = repr(float(own.chain[0].offset.ravel()[0]))
    shape = own.shape if len(own.shape) == 1 else graph.build.types["image"].shape
    return Network(graph.build.nodes, shape, value_range, output=output.name, meta=meta)
