"""The AND-popcount array of a piecewise layer: PE x SIMD folding over outputs and inputs, planes as few as
the levels allow."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data
from numpy.typing import ArrayLike

from fermatnet.hw.arrays.folding import Folding
from fermatnet.hw.arrays.free_running import Beats, Flags, FreeRunning
from fermatnet.hw.piecewise.compressor.heap import TARGETS
from fermatnet.hw.piecewise.dot import Dot, Lanes
from fermatnet.hw.piecewise.forms import choose_form, estimate
from fermatnet.hw.rtl.clock import DEFAULT_MHZ, Clock
from fermatnet.hw.rtl.copies import copies
from fermatnet.hw.rtl.delayed import delayed
from fermatnet.hw.rtl.registered_rom import RegisteredRom, registers_behind
from fermatnet.hw.rtl.words import range_shape
from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.pieces import accumulator_range, check_levels

__all__ = ["PiecewiseArray"]

LOADS = 64
"""Inputs of tables that a bit of the planes drives at a fast clock, about."""
TABLE = 4
"""Inputs of a table."""


class PiecewiseArray(FreeRunning):
    """``y = sum_ij a_i b_j popcount(T_i AND V_j)`` for every output pixel, ``pe`` outputs by ``simd`` inputs
    a beat.

    For each output pixel the input brings the window of K piece indices in order (ky, kx, c), once for every
    output fold:
    O/pe * K/simd beats, output fold outermost. The dot product takes the cheapest of its exact forms
    (`fermatnet.hw.piecewise.forms`): fewer planes than M x N where the levels allow it, or product tables.
    Weights lie in memory as the planes they switch on, or as codes for tables. A register stands between
    memory and trees: the memory's own delay and the trees' first counters do not add up, and the planes of a
    beat are worked out before it.

    The pipeline never stops: see `fermatnet.hw.arrays.free_running`.

    Latency: K/simd + 1 + fetch + pipeline cycles, and those of the queue, from the first beat of an output to
    its result. Throughput: one beat a cycle.

    Parameters
    ----------
    codes : (O, K) uint8
        Weight pieces 0..M, inputs ordered (ky, kx, c).
    levels_w, levels_a : (M+1,), (N+1,) int
        Levels, ascending; the middle weight level and the first activation level are 0.
    pe, simd : int
        Outputs and inputs in parallel; pe divides O, simd divides K.
    target : str
        "generic", "lut6", "ecp5" or "asic": what the compressor trees are made for.
    pipeline : int or None
        Register stages inside the trees; None: as many as the clock asks for.
    clock_mhz : float
        The clock that the trees are cut for.
    form : str
        "auto", "planes", "powers" (only power-of-two coefficients), "one-hot" (the M x N planes) or "table".
    contents : (O, K) uint8 or None
        Codes that the memory holds, where ``codes`` are the extremes that size it.

    Attributes
    ----------
    acc_shape : Shape
        Shape of a result, from the proven range of every partial sum with the true weights.
    form : Form
        The exact form built; ``form.planes`` AND-popcount planes beside the M x N of the paper.
    latency, cycles : int
        As above; cycles of one output pixel.
    pipeline, levels : int
        Register stages inside the trees, and most counters (or adders) between two of them.
    fetch : int
        Registers behind the weight memory, 1 or 2 (`registers_behind`).
    weight_width : int
        Bits of a word of the weight memory, one a beat.

    Members
    -------
    i : In(stream of ArrayLayout(unsigned(ceil(log2(N+1))), simd))
    o : Out(stream of ArrayLayout(acc_shape, pe))
    """

    def __init__(
        self,
        codes: ArrayLike,
        levels_w: ArrayLike,
        levels_a: ArrayLike,
        *,
        pe: int,
        simd: int,
        target: str = "generic",
        pipeline: int | None = None,
        clock_mhz: float = DEFAULT_MHZ,
        form: str = "auto",
        contents: np.ndarray | None = None,
    ):
        self.codes, self.levels_w, self.levels_a = check_levels(codes, levels_w, levels_a)
        if self.codes.ndim != 2:
            raise InputError(f"codes must be (O, K), not {self.codes.shape}")
        if target not in TARGETS or (pipeline is not None and pipeline < 0):
            raise InputError(
                f"target must be one of {', '.join(TARGETS)} and pipeline not negative, not {target!r} and "
                f"{pipeline!r}"
            )
        self.pe, self.simd, self.target, self.memory_target = pe, simd, target, target
        self.folding = Folding(self.codes.shape[0], self.codes.shape[1], pe, simd)
        self.index_bits = (self.levels_a.size - 1).bit_length()
        self.acc_shape = range_shape(*accumulator_range(self.codes, self.levels_w, self.levels_a))
        self.form = choose_form(self.levels_w, self.levels_a, simd, pe, target, form)
        self.clock = Clock(clock_mhz, target)
        lanes = Lanes(self.form, simd, self.acc_shape.width)
        self.budget = self.clock.budget if pipeline is None else lanes.budget(target, pipeline)
        self.pipeline = sum(lanes.stages(target, self.budget)) if pipeline is None else pipeline
        self.levels = lanes.levels(target, self.budget)
        self.weight_width = max(1, pe * simd * self.form.weight_bits)
        if contents is not None:
            self.codes = contents
        i_layout, o_layout = data.ArrayLayout(self.index_bits, simd), data.ArrayLayout(self.acc_shape, pe)
        self.cycles = self.folding.cycles
        self.fetch = registers_behind(self.weight_width, self.cycles, self.clock)
        depth = self.pipeline + 2 + self.fetch
        self._stream(i_layout, o_layout, self.cycles, self.folding.beats, depth)

    def words(self) -> list[int]:
        """Weight memory, one word a beat: for each output each plane's ``simd`` bits, or each lane's code."""
        tiles = self.folding.tiles(self.codes)  # (beats, pe, simd)
        if self.form.weight_planes is not None:
            bits = self.form.weight_planes.table[tiles].transpose(0, 1, 3, 2)
        else:
            bits = tiles[..., None] >> np.arange(self.form.weight_bits) & 1
        octets = np.packbits(bits.reshape(self.cycles, -1).astype(np.uint8), axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in octets]

    def sums(self, m: Module, platform, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        m.submodules.weights = rom = RegisteredRom(
            self.weight_width, self.words(), "weights", target=self.memory_target
        )
        m.d.comb += rom.addr.eq(walk.address)
        index = delayed(m, self.i.payload, self.fetch, "index")
        held = self._copied(m, platform, self._activations(m, index))
        t = delayed(m, rom.data, self.fetch - 1, "held_t")
        flags = Flags(m, platform, enter, walk, self.depth - 1, groups[-1] + 1)
        clear = [Signal(name=f"clear{group}", init=1) for group in range(groups[-1] + 1)]
        if self.folding.beats > 1:
            copies(m, platform, flags.before(1)[2], clear)
        results = []
        for n, group in enumerate(groups):
            m.submodules[f"dot{n}"] = dot = Dot(
                self.form,
                self.simd,
                self.acc_shape.width,
                target=self.target,
                pipeline=self.pipeline,
                budget=self.budget,
            )
            m.d.comb += [dot.t.eq(t.word_select(n, len(dot.t)) if len(dot.t) else 0), dot.v.eq(held[n])]
            partial = Signal(self.acc_shape.width, name=f"partial{n}", reset_less=True)
            m.d.sync += partial.eq(dot.o)
            # what takes off the constants of all its beats
            start = -dot.offset * self.folding.beats
            results.append(self._accumulate(m, n, partial, start, flags.valid[group], clear[group]))
        return results, flags.done

    def _copied(self, m: Module, platform, v: Value) -> list[Value]:
        """The planes one cycle later, a value for each output. At a fast clock neighbouring outputs have a
        register of their own where more tables than `LOADS` would listen to a bit."""
        inputs = TABLE * estimate(self.form, self.simd, self.pe, self.target)
        each = max(1.0, inputs / (self.weight_width / self.pe + len(v)))
        together = self.pe if self.fetch == 1 else min(self.pe, max(1, int(LOADS / each)))
        names = [f"held_v{k}" if k else "held_v" for k in range(-(-self.pe // together))]
        registers = [Signal(len(v), name=name, reset_less=True) for name in names]
        if len(registers) == 1:
            m.d.sync += registers[0].eq(v)
        else:
            for bit in range(len(v)):
                one = [Signal(name=f"{name}_{bit}") for name in names]
                copies(m, platform, v[bit], one)
                m.d.comb += [register[bit].eq(copy) for register, copy in zip(registers, one, strict=True)]
        return [registers[n // together] for n in range(self.pe)]

    def _accumulate(
        self, m: Module, n: int, partial: Signal, start: int, valid: Value, clear: Value
    ) -> Value:
        """Running sum of output n, modulo 2^width; with its last beat, and after reset, the register goes
        back to ``start``: ``clear`` alone does it, with no table on its way."""
        width = self.acc_shape.width
        begin = Const(start % (1 << width), width)
        result = Signal(width, name=f"result{n}")
        if self.folding.beats == 1:
            m.d.comb += result.eq(partial + begin)
            return result
        acc = Signal(width, name=f"acc{n}", init=begin.value, reset_less=True)
        m.d.comb += result.eq(partial + acc)
        with m.If(clear):
            m.d.sync += acc.eq(begin)
        with m.Elif(valid):
            m.d.sync += acc.eq(result)
        return result

    def _activations(self, m: Module, index) -> Value:
        """Activation planes of the beat in the memory stage, shared by all outputs; the indices themselves
        for a table."""
        planes = self.form.activation_planes
        if planes is None:
            return index.as_value()
        bits = []
        for members in planes.table.T:
            truth = Const(sum(int(bit) << piece for piece, bit in enumerate(members)), 1 << self.index_bits)
            bits += [(truth >> index[lane])[0] for lane in range(self.simd)]
        v = Signal(len(bits), name="v")
        m.d.comb += v.eq(Cat(bits))
        return v
