# amaranth: UnusedElaboratable=no
"""A matrix times each window of a map, on an array behind a sliding window where one is needed: what dense
layers and convolutions have in common."""

from functools import cached_property
from typing import Any

import numpy as np
from amaranth.lib import wiring

from fermatnet.hw import timing
from fermatnet.hw.arrays.free_running import FreeRunning
from fermatnet.hw.arrays.products.choice import Operands, chosen, prices
from fermatnet.hw.arrays.streamed import Streamed
from fermatnet.hw.constant.matrix import ConstantMatrix
from fermatnet.hw.layers import cost
from fermatnet.hw.layers.layer import (
    Block,
    Fold,
    Layer,
    Placement,
    StreamRate,
    beats_of,
    divisors,
    shape_of,
)
from fermatnet.hw.layers.windowed import WindowedArray
from fermatnet.hw.rtl.words import range_shape
from fermatnet.hw.stream.parallel_window import ParallelWindow
from fermatnet.hw.stream.window import FreeWindow, SlidingWindow
from fermatnet.hw.stream.window_plan import WindowPlan
from fermatnet.model.errors import InputError

__all__ = ["MatrixBlock", "MatrixVectorLayer"]


class MatrixVectorLayer(Layer):
    """A matrix times each window of a map; folds are (divisors of O/group) x (divisors of C/group).

    A subclass says what the matrix is (`rows_of`), over which map and window, and which array multiplies.
    Attributes beside those of `Layer`: ``matrix`` (O, K) int, inputs ordered (ky, kx, c); ``map`` (channels,
    height, width); ``geometry`` of the window; ``group``; ``outputs`` O, ``taps`` K, ``pixels`` of the
    output.
    """

    foldable = True
    matrix: np.ndarray
    map: tuple[int, int, int]
    geometry: dict[str, Any]
    group: int
    outputs: int
    taps: int
    pixels: int

    def __init__(self, net, node, target="generic", contents=None):
        super().__init__(net, node, target, contents)
        matrix = self.rows_of(node)
        vars(self).update(
            matrix=matrix,
            outputs=matrix.shape[0],
            taps=matrix.shape[1],
            pixels=self.output.shape[1] * self.output.shape[2],
            **self.view(),
        )

    def rows_of(self, node: Any) -> np.ndarray:
        """The matrix of a node of this layer's kind."""
        raise NotImplementedError(type(self).__name__)

    def view(self) -> dict[str, Any]:
        """``map``, ``geometry`` and ``group``."""
        raise NotImplementedError(type(self).__name__)

    def array(self, fold: Fold) -> Any:
        """The array at a fold, its memories filled."""
        raise NotImplementedError(type(self).__name__)

    def constant(self, fold: Fold) -> bool:
        """Whether all products of a window stand side by side and their weights never change: then no memory
        holds them."""
        whole = self.group == 1 and fold.pe == self.outputs and fold.simd == self.taps
        return whole and self.contents is None

    def constants(self, weight: np.ndarray, bias: np.ndarray) -> ConstantMatrix:
        """``weight`` (O, K) and ``bias`` as constants, for the proven range of the input and its padding."""
        tensor, padding = self.inputs[0], getattr(self.node, "pad_value", 0)
        ends = min(tensor.lo, padding), max(tensor.hi, padding)
        shape = shape_of(tensor)
        return ConstantMatrix(weight, bias, shape, target=self.target, x_range=ends)

    def unrolled(self) -> Any:
        """The whole matrix as constants."""
        raise NotImplementedError(type(self).__name__)

    def constant_cost(self) -> float:
        """Tables of `unrolled`, about."""
        width, out = shape_of(self.inputs[0]).width, shape_of(self.output).width
        return cost.constant_matrix(self.matrix, width, self.target, out)

    def operands(self, fold: Fold) -> Operands | None:
        """What the array multiplies in a beat; None where it has no multipliers."""
        return None

    def ways(self, fold):
        operands = None if self.constant(fold) else self.operands(fold)
        return {} if operands is None else prices(operands, self.target)

    def way(self, fold):
        operands = self.operands(fold)
        return self.multiply if operands is None else chosen(operands, self.target, self.multiply)

    def streamable(self):
        return True

    def folds(self):
        allowed = divisors(self.map[0] // self.group)
        if self.group == 1 and self.geometry["kernel"] != (1, 1):
            allowed = [*allowed, self.taps]  # windows that come whole
        return [Fold(pe, simd) for pe in divisors(self.outputs // self.group) for simd in allowed]

    def whole_windows(self, fold: Fold) -> bool:
        """Whether all taps of a window of several pixels come in one beat."""
        return self.group == 1 and fold.simd > self.map[0]

    def cycles(self, fold):
        return self.pixels * (self.outputs // fold.pe) * (self.taps // fold.simd)

    @cached_property
    def _narrowest(self) -> int:
        return range_shape(int(self.matrix.min()), int(self.matrix.max())).width

    def weight_bits(self) -> int:
        """Bits of one weight, for its price: those that it takes, which may be fewer than its type's."""
        return self._narrowest

    def products(self, fold: Fold) -> int:
        """Products side by side."""
        return fold.pe * fold.simd

    def cost(self, fold):
        width, out = shape_of(self.inputs[0]).width, shape_of(self.output).width
        bits, lanes = self.weight_bits(), self.products(fold)
        words = max(1, self.outputs * self.taps // (fold.pe * fold.simd))
        window = cost.window_control(width, fold.simd)
        if self.constant(fold):
            return self.constant_cost() + (window if self.needs_window(fold) else 0.0)
        array = lanes * (1.2 * width * bits + 4) + fold.pe * 2 * out
        return array + cost.weight_memory(words, lanes * bits) + window

    def pace(self, fold, incoming, period):
        taken = self.map[0] if self.whole_windows(fold) else fold.simd
        # Faster than the period asks for, as whole matrices of constants are, the array waits for readers
        # that are slower: with all its lanes they would cost more than it does. Half of the time is left
        # for results that come close together.
        spread = period // (2 * beats_of(self.output, fold.pe))
        return [taken], StreamRate(fold.pe, max(self.taps // fold.simd, spread))

    def repeats(self, fold: Fold) -> int:
        """How often each window is read."""
        return self.outputs // self.group // fold.pe

    def groups(self, fold: Fold) -> int:
        """Into how many groups the window cuts the channels."""
        return self.group

    def needs_window(self, fold: Fold) -> bool:
        """Whether the beats have to come in another order, or more than once."""
        plain = (
            self.geometry["kernel"] == (1, 1)
            and self.geometry["stride"] == (1, 1)
            and not any(self.geometry["pad"])
        )
        return not (plain and self.group == 1 and self.repeats(fold) == 1)

    def windowed(self, fold):
        return self.needs_window(fold)

    def queued(self, fold):
        return True

    def window(self, fold: Fold) -> dict[str, Any]:
        """Arguments of the window's plan, and of the window."""
        channels, height, width = self.map
        return {
            "shape": shape_of(self.inputs[0]),
            "channels": channels,
            "height": height,
            "width": width,
            **self.geometry,
            "lanes": self.map[0] if self.whole_windows(fold) else fold.simd,
            "repeats": self.repeats(fold),
            "groups": self.groups(fold),
            "pad_value": getattr(self.node, "pad_value", 0),
            "clock": self.clock,
        }

    def window_plan(self, fold: Fold) -> WindowPlan:
        """The window's numbers; InputError, with the layer's name, where it does not fit the map."""
        try:
            return WindowPlan(**self.window(fold))
        except InputError as error:
            raise InputError(f"layer {self.name!r}: {error}") from error

    def block(self, at: Placement) -> Block:
        constant = self.constant(at.fold) and not at.streamed
        return MatrixBlock(self, at.fold, constant=constant, streamed=at.streamed)


class MatrixBlock(Block):
    """An array, behind a window whose ring may get more rows than the least; its weights may be
    ``streamed``."""

    def __init__(
        self, layer: MatrixVectorLayer, fold: Fold, *, constant: bool = False, streamed: bool = False
    ):
        fixed = layer.unrolled() if constant else None
        self.array, self.streamed = layer.array(fold) if fixed is None else fixed, streamed
        self.weight_bits = self.array.weight_width * self.array.cycles if fixed is None else 0
        self.window = layer.window(fold) if layer.needs_window(fold) else None
        self.whole = layer.whole_windows(fold)
        beats = layer.taps // fold.simd
        if self.window is None:
            self.model = timing.Runs(beats, self.array.latency - beats + 1)
            return
        plan = layer.window_plan(fold)
        self.ring_bits = plan.ring_bits
        results = layer.outputs // fold.pe  # a pixel, each from one window
        read = plan.READ
        # an array that never stops needs no queue before it
        self.free = isinstance(self.array, FreeRunning) and not (streamed or self.whole)
        if self.free:
            read -= 1
            self.array.reserve_ahead(read)
        # lanes may span groups, so the window knows its beats
        beats = 1 if self.whole else plan.beats
        self.model = timing.Windows.of(plan, results, beats, read + self.array.latency)

    def build(self, rows: int = 0, streamed: bool = False) -> wiring.Component:
        assert streamed == self.streamed, "the block was planned for the other source of weights"
        array = Streamed(self.array) if self.streamed else self.array
        if self.window is None:
            return array
        kind = ParallelWindow if self.whole else FreeWindow if self.free else SlidingWindow
        return WindowedArray(kind(**self.window, rows=rows), array)
