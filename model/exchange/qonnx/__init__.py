"""What `fermatnet.model.exchange.qonnx.importer` makes of the nodes of a QONNX graph."""
