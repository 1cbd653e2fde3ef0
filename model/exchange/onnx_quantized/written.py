"""The network of a file that was read to its end."""

from collections.abc import Sequence
from dataclasses import dataclass

from fermatnet.model.exchange.ends import End, network_of, renamed
from fermatnet.model.exchange.onnx_quantized.graph import Graph
from fermatnet.model.exchange.onnx_quantized.outputs import Ending
from fermatnet.model.network import Network
from fermatnet.model.network.inputs import Input

__all__ = ["Written", "written"]


@dataclass(frozen=True, eq=False)
class Written:
    """``entries``: the file's quantized tensor by the network's input; ``names``: of the layers that were
    called otherwise before."""

    network: Network
    entries: dict[str, str]
    names: dict[str, str]


def written(g: Graph, entries: dict[str, str], ends: Sequence[Ending]) -> Written:
    """The network of everything that ``ends``, one an output of the file, need; errors as `network_of`.

    ``entries``: the quantized tensor by the file's input.
    """
    inputs, own = {}, {}
    for name in g.source.inputs:
        tensor = g.tensors[entries[name]]
        made = tensor.quantization
        inputs[Input(tensor.name, tensor.dims, *made.clip, made.dtype)] = End(
            name, entries[name], tensor.name, made.scale, made.zero
        )
        own[tensor.name] = entries[name]
    outputs = []
    for name, end in zip(g.source.outputs, ends, strict=True):
        made, open_end = end.tensor.quantization, end.unit is not None
        scale, zero = (float(end.unit or 0), 0) if open_end else (made.scale, made.zero)
        outputs.append(End(name, end.name, end.tensor.name, scale, zero))
    taken = [end.taken for end in ends if end.taken]
    meta = {"source": "onnx", **({"taken_off": "; ".join(taken)} if taken else {})}
    return Written(network_of(g.builder, inputs, outputs, meta), own, renamed(g.builder, outputs))
