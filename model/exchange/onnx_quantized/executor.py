"""onnxruntime on the source file itself: the judge of an import."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.onnx_quantized import ask

__all__ = ["Judge", "saturates"]

_STORED = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8}


class Judge:
    """Runs a quantized ONNX model from its first quantized tensor to others.

    Parameters
    ----------
    model : the file's model
    entries : its first quantized tensors, which become the inputs: dims without the batch, and type, by name
    wanted : tensors that come out, in order
    batch : how many samples the file takes at once
    optimised : with onnxruntime's integer kernels; else every node by itself
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        entries: Mapping[str, tuple[tuple[int, ...], str]],
        wanted: tuple[str, ...],
        batch: int,
        optimised: bool = True,
    ):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        kept = [node for node in copy.graph.node if not set(entries) & set(node.output)]
        del copy.graph.node[:], copy.graph.input[:], copy.graph.output[:]
        copy.graph.node.extend(kept)
        copy.graph.input.extend(
            helper.make_tensor_value_info(name, _STORED[dtype], [batch, *dims])
            for name, (dims, dtype) in entries.items()
        )
        copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        self._wanted, self._batch = list(wanted), batch
        self._session = ask.session(copy, optimised)

    def __call__(self, samples: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Each wanted tensor, (n, ...) in its own type, for samples (n, *dims) of every entry."""
        parts = []
        count = len(next(iter(samples.values())))
        for start in range(0, count, self._batch):
            places = np.minimum(np.arange(start, start + self._batch), count - 1)  # the last one fills up
            full = {name: values[places] for name, values in samples.items()}
            try:
                made = self._session.run(self._wanted, full)
            except Exception as error:  # onnxruntime raises a class of its own for every status
                raise InputError(f"onnxruntime cannot run it: {str(error).splitlines()[0][:200]}") from error
            parts.append([value[: count - start] for value in made])
        return [np.concatenate(values) for values in zip(*parts, strict=True)]


def saturates() -> bool:
    """Whether this processor's integer kernels lose sums of uint8 by int8: without VNNI onnxruntime adds
    pairs of products in 16 bits."""
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    ends = [
        helper.make_tensor_value_info("a", TensorProto.UINT8, [4, 64]),
        helper.make_tensor_value_info("b", TensorProto.INT8, [64, 16]),
    ]
    weight = helper.make_tensor("b", TensorProto.INT8, [64, 16], [127] * 1024)
    graph = helper.make_graph([node], "probe", ends[:1], [onnx.ValueInfoProto(name="y")], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    found = ask.session(model).run(None, {"a": np.full((4, 64), 255, np.uint8)})[0]
    return bool((found != 255 * 127 * 64).any())
