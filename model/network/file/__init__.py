"""The network file: one ONNX model, its functions and their bodies, saved and loaded."""
