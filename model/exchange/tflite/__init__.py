"""TensorFlow Lite int8 models into network files: `read` gives the network, `run_source` LiteRT's own
answer."""

from fermatnet.model.exchange.tflite.executor import outputs, run_source
from fermatnet.model.exchange.tflite.reader import read

__all__ = ["outputs", "read", "run_source"]
