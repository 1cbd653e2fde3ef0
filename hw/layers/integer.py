# amaranth: UnusedElaboratable=no
"""A matrix of integers times each window of a map, on an array of multipliers: dense layers and convolutions
whose weights are integers."""

import numpy as np

from fermatnet.hw.arrays.integer import IntegerArray
from fermatnet.hw.arrays.products.choice import Operands
from fermatnet.hw.layers.layer import shape_of
from fermatnet.hw.layers.matrix import MatrixVectorLayer
from fermatnet.model.network.nodes import Node

__all__ = ["IntegerMatrixLayer"]


class IntegerMatrixLayer(MatrixVectorLayer):
    """The arrays of a matrix of integers: `IntegerArray`, or constants where nothing folds. A subclass says
    what is added to the sums (`bias_of`)."""

    def bias_of(self, node: Node) -> np.ndarray:
        """Bias (O,) int of a node of this layer's kind; (0,) where it has none."""
        return np.zeros(0, np.int64)

    def array(self, fold):
        held = None if self.contents is None else (self.rows_of(self.contents), self.bias_of(self.contents))
        return IntegerArray(
            self.matrix,
            self.bias_of(self.node),
            shape_of(self.inputs[0]),
            pe=fold.pe,
            simd=fold.simd,
            contents=held,
            clock=self.clock,
            products=self.multiply,
        )

    def operands(self, fold):
        return Operands.of(self.matrix, shape_of(self.inputs[0]), fold.simd, fold.pe)

    def unrolled(self):
        return self.constants(self.matrix, self.bias_of(self.node))
