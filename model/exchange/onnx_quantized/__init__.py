"""ONNX of QuantizeLinear/DequantizeLinear (QDQ, QCDQ) and of QLinear operators into network files: `read`
gives the network, `compared` what onnxruntime itself says to it, `outputs` what onnxruntime gives."""

from fermatnet.model.exchange.onnx_quantized.judge import compared, outputs
from fermatnet.model.exchange.onnx_quantized.reader import Reading, read

__all__ = ["Reading", "compared", "outputs", "read"]
