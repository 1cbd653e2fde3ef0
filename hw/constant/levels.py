"""A piecewise layer whose weights never change: constants select which bits of the activations are added."""

import numpy as np
from amaranth.hdl import Const, Module, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.constant.core import chain
from fermatnet.hw.constant.factored import odd_part, plan_chain
from fermatnet.hw.constant.plan import MatrixPlan, stages_for
from fermatnet.hw.rtl.words import range_shape
from fermatnet.hw.stream.elastic import elastic
from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.pieces import accumulator_range, check_levels
from fermatnet.model.piecewise.planes import short_planes

__all__ = ["ConstantLevels", "level_words"]


LevelWords = list[tuple[int, tuple[int, ...]]]  # odd number, value of the word by piece


def level_words(levels: np.ndarray) -> LevelWords:
    """Levels as a sum of few words times an odd number each: (odd number, value of the word by piece).

    The words are the planes of `fermatnet.model.piecewise.planes.short_planes`, those of one odd number
    together: levels 0, 15, 29, 44, 58, 73 are 15 times a bit and 29 times a word of two bits.
    """
    planes = short_planes(levels)
    words: dict[int, np.ndarray] = {}
    for coefficient, members in zip(planes.coefficients, np.array(planes.table).T, strict=True):
        odd, power = odd_part(coefficient)
        words[odd] = words.get(odd, 0) + power * members.astype(np.int64)
    return [(odd, tuple(int(value) for value in own)) for odd, own in sorted(words.items())]


class ConstantLevels(wiring.Component):
    """``y = sum_k levels_w[codes[k]] * levels_a[x[k]]`` for every vector of piece indices, all of it at once,
    without a memory or a multiplier (3.19).

    Each activation becomes the few words of `level_words`; those that meet weights of one odd part are added,
    and the sums are multiplied by the odd numbers (`fermatnet.hw.constant.factored`).

    Latency: ``stages`` cycles, by the clock. Throughput: one vector a cycle.

    Parameters
    ----------
    codes : (O, K) uint8
        Weight pieces 0..M.
    levels_w, levels_a : (M+1,), (N+1,) int
        Ascending; the middle weight level and the first activation level are 0.
    target : str
        "generic", "lut6", "ecp5" or "asic".
    stages : int or None
        Register stages, at least 1; None: as many as ``clock_mhz`` takes.
    clock_mhz : float

    Attributes
    ----------
    acc_shape : Shape
        Of a result, from the proven range of every sum.
    plans : tuple of MatrixPlan
    latency, cycles : int

    Members
    -------
    i : In(stream of ArrayLayout(unsigned(ceil(log2(N+1))), K))
    o : Out(stream of ArrayLayout(acc_shape, O))
    """

    cycles = 1

    def __init__(
        self,
        codes: ArrayLike,
        levels_w: ArrayLike,
        levels_a: ArrayLike,
        *,
        target: str = "generic",
        stages: int | None = None,
        clock_mhz: float = 100.0,
    ):
        self.codes, self.levels_w, self.levels_a = check_levels(codes, levels_w, levels_a)
        if self.codes.ndim != 2:
            raise InputError(f"codes must be (O, K), not {self.codes.shape}")
        if stages is not None and stages < 1:
            raise InputError(f"stages must be at least 1, not {stages}")
        self.index_bits = (self.levels_a.size - 1).bit_length()
        options = [self._plans(words, target) for words in (level_words(self.levels_a), self._whole())]
        self.words, self.plans = min(options, key=lambda option: sum(plan.cost for plan in option[1]))
        self.acc_shape = range_shape(*accumulator_range(self.codes, self.levels_w, self.levels_a))
        self.stages = self.latency = stages_for(self.plans, clock_mhz) if stages is None else stages
        outputs, inputs = self.codes.shape
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.index_bits, inputs))),
                "o": Out(stream.Signature(data.ArrayLayout(self.acc_shape, outputs))),
            }
        )

    def _whole(self) -> LevelWords:
        """Each level as one word."""
        common = int(np.gcd.reduce(self.levels_a)) or 1
        odd, power = odd_part(common)
        return [(odd, tuple(power * (int(level) // common) for level in self.levels_a))]

    def _plans(self, words: LevelWords, target: str) -> tuple[LevelWords, tuple[MatrixPlan, ...]]:
        """The plans where activations are these words."""
        outputs, inputs = self.codes.shape
        weight = self.levels_w.astype(np.int64)[self.codes]
        odds = [odd for odd, _ in words]
        matrix = (weight[:, :, None] * np.array(odds)).reshape(outputs, -1)
        low = [min(own) for _, own in words] * inputs
        high = [max(own) for _, own in words] * inputs
        return words, plan_chain(matrix, [0] * outputs, low, high, target, odds * inputs)

    def elaborate(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.stages)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        inputs = [
            self._word(m, self.i.payload[k], own, f"level{k}_{odd}")
            for k in range(self.codes.shape[1])
            for odd, own in self.words
        ]
        results = chain(m, platform, self.plans, inputs, enables)
        m.d.comb += [self.o.payload[k].eq(result) for k, result in enumerate(results)]
        return m

    def _word(self, m: Module, index: Value, own: tuple[int, ...], name: str) -> Signal:
        """A word of an activation by tables of its index."""
        shape: Shape = range_shape(min(own), max(own))
        word = Signal(shape, name=name)
        for bit in range(shape.width):
            truth = sum((value >> bit & 1) << piece for piece, value in enumerate(own))
            m.d.comb += word[bit].eq((Const(truth, 1 << self.index_bits) >> index)[0])
        return word
