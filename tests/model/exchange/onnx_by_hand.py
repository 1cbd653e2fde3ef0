"""A graph of quantized ONNX operators written by hand."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fermatnet.model.exchange.importer import Options, imported


class File:
    """A QDQ graph by hand: input "x" (1, *dims) quantized to int8 "q0"."""

    def __init__(self, *dims, scale=0.0517, zero=3, dtype=np.int8):
        self.nodes, self.constants, self.count = [], {}, 0
        self.dims, self.dtype = dims, dtype
        self.last = self.quantize("x", scale, zero)

    def constant(self, value, dtype=np.float32):
        name = f"k{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def op(self, kind, *inputs, domain="", **attributes):
        self.count += 1
        name = f"t{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes))
        return name

    def quantize(self, x, scale, zero=0, dtype=None):
        return self.op("QuantizeLinear", x, self.constant(scale), self.constant(zero, dtype or self.dtype))

    def real(self, q, scale, zero=0, dtype=None):
        return self.op("DequantizeLinear", q, self.constant(scale), self.constant(zero, dtype or self.dtype))

    def weight(self, integers, scale, zero=0):
        return self.real(self.constant(integers, np.int8), scale, zero, np.int8)

    def save(self, path, output, batch=1):
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *self.dims])
        leaving = onnx.ValueInfoProto(name=output)
        leaving.type.tensor_type.elem_type = TensorProto.FLOAT
        graph = helper.make_graph(self.nodes, "g", [entry], [leaving], constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path


def equal(path, count=30):
    made = imported(path, Options(compare=count))
    assert made.notes[-1].startswith(f"compared {count} samples with onnxruntime"), made.notes
    return made
