"""How a matrix is cut into what an array does in one cycle."""

import numpy as np

from fermatnet.model.errors import InputError

__all__ = ["Folding"]


class Folding:
    """How an (outputs, inputs) matrix passes through ``pe`` x ``simd`` units: output fold outermost, then
    ``simd`` inputs a beat.

    Attributes: ``folds`` = O/pe, ``beats`` = K/simd, ``cycles`` = folds * beats for one output pixel.
    """

    def __init__(self, outputs: int, inputs: int, pe: int, simd: int):
        if pe < 1 or outputs % pe:
            raise InputError(f"pe must divide {outputs} outputs, not {pe}")
        if simd < 1 or inputs % simd:
            raise InputError(f"simd must divide {inputs} inputs, not {simd}")
        self.outputs, self.inputs, self.pe, self.simd = outputs, inputs, pe, simd
        self.folds, self.beats = outputs // pe, inputs // simd
        self.cycles = self.folds * self.beats

    def tiles(self, matrix: np.ndarray) -> np.ndarray:
        """Matrix (O, K) in beat order: (folds * beats, pe, simd)."""
        cut = matrix.reshape(self.folds, self.pe, self.beats, self.simd)
        return cut.transpose(0, 2, 1, 3).reshape(self.cycles, self.pe, self.simd)
