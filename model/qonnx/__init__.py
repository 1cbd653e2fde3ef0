"""What `fermatnet.model.import_qonnx` makes of the nodes of a QONNX graph."""
