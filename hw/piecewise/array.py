"""The AND-popcount array of a piecewise layer: PE x SIMD folding over outputs and inputs, planes as few as the levels allow."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import ArrayLike

from fermatnet.hw.integer import Folding, Walk
from fermatnet.hw.memory import Rom
from fermatnet.hw.piecewise.pipeline import elastic, range_shape
from fermatnet.model.errors import InputError
from fermatnet.model.piecewise.pieces import accumulator_range, check_levels
from fermatnet.model.piecewise.planes import short_planes

__all__ = ["PiecewiseArray"]


class PiecewiseArray(wiring.Component):
    """``y = sum_ij a_i b_j popcount(T_i AND V_j)`` for every output pixel, ``pe`` outputs by ``simd`` inputs a beat.

    For each output pixel the input brings the window of K piece indices in order (ky, kx, c), once for every output fold:
    O/pe * K/simd beats, output fold outermost. Weights lie in memory as the planes they switch on. Planes are not the M x N
    one-hot ones but the fewest that give the same levels (see `fermatnet.model.piecewise.planes`).

    Latency: K/simd + 2 cycles from the first beat of an output to its result. Throughput: one beat a cycle.

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

    Attributes
    ----------
    acc_shape : Shape
        Shape of a result, from the proven range of every partial sum with the true weights.
    planes : (int, int)
        Weight and activation planes built.
    latency, cycles : int
        As above; cycles of one output pixel.

    Members
    -------
    i : In(stream of ArrayLayout(unsigned(ceil(log2(N+1))), simd))
    o : Out(stream of ArrayLayout(acc_shape, pe))
    """

    def __init__(self, codes: ArrayLike, levels_w: ArrayLike, levels_a: ArrayLike, *, pe: int, simd: int, target: str = "generic"):
        self.codes, self.levels_w, self.levels_a = check_levels(codes, levels_w, levels_a)
        if self.codes.ndim != 2:
            raise InputError(f"codes must be (O, K), not {self.codes.shape}")
        self.pe, self.simd, self.target = pe, simd, target
        self.folding = Folding(self.codes.shape[0], self.codes.shape[1], pe, simd)
        self.latency, self.cycles = self.folding.beats + 2, self.folding.cycles
        self.index_bits = (self.levels_a.size - 1).bit_length()
        self.acc_shape = range_shape(*accumulator_range(self.codes, self.levels_w, self.levels_a))
        self.weight_planes, self.activation_planes = short_planes(self.levels_w), short_planes(self.levels_a)
        self.planes = (self.weight_planes.count, self.activation_planes.count)
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(self.index_bits, simd))),
            "o": Out(stream.Signature(data.ArrayLayout(self.acc_shape, pe))),
        })

    def words(self) -> list[int]:
        """Weight memory, one word a beat: for each output each plane's ``simd`` bits."""
        bits = self.weight_planes.table[self.folding.tiles(self.codes)]  # (beats, pe, simd, planes)
        flat = bits.transpose(0, 1, 3, 2).reshape(self.cycles, -1)
        return [int("".join(map(str, row[::-1])) or "0", 2) for row in flat]

    def elaborate(self, platform) -> Module:
        m = Module()
        take = Signal()  # the partial sums may move into the accumulators
        valids, enables = elastic(m, self.i.valid, take, 2)
        walk = Walk(m, self.folding, enables[0] & self.i.valid)
        m.submodules.weights = rom = Rom(max(1, self.pe * self.simd * self.planes[0]), self.words(), "weights")
        m.d.comb += [self.i.ready.eq(enables[0]), rom.addr.eq(walk.address), rom.en.eq(enables[0])]
        index = Signal.like(self.i.payload)
        flags = [Signal(2, name=f"flags{k}") for k in range(2)]  # first, last
        with m.If(enables[0]):
            m.d.sync += [index.eq(self.i.payload), flags[0].eq(walk.first | (walk.last << 1))]
        with m.If(enables[1]):
            m.d.sync += flags[1].eq(flags[0])
        first, last = flags[1][0], flags[1][1]
        move = Signal()
        m.d.comb += [take.eq(~last | ~self.o.valid | self.o.ready), move.eq(valids[1] & take)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(move & last):
            m.d.sync += self.o.valid.eq(1)
        v_planes = self._decode(m, index)
        for n in range(self.pe):
            total = self._partial(m, n, rom.data, v_planes)
            partial, acc = Signal(total.shape(), name=f"partial{n}"), Signal(self.acc_shape, name=f"acc{n}")
            result = Signal(self.acc_shape, name=f"result{n}")
            with m.If(enables[1]):
                m.d.sync += partial.eq(total)
            m.d.comb += result.eq(partial + Mux(first, 0, acc))
            with m.If(move):
                m.d.sync += acc.eq(result)
                with m.If(last):
                    m.d.sync += self.o.payload[n].eq(result)
        return m

    def _decode(self, m: Module, index) -> list[Signal]:
        """Activation planes of the beat in stage 0, shared by all outputs: each plane has one bit for each of ``simd`` inputs."""
        planes = []
        for k, members in enumerate(self.activation_planes.table.T):
            plane = Signal(self.simd, name=f"v{k}")
            truth = int("".join(map(str, members[::-1])), 2)
            m.d.comb += [plane[lane].eq((truth >> index[lane]) & 1) for lane in range(self.simd)]
            planes.append(plane)
        return planes

    def _partial(self, m: Module, n: int, word, v_planes: list[Signal]) -> Signal:
        """Sum over planes of coefficient times popcount(T AND V) of one output."""
        total = 0
        for i, a in enumerate(self.weight_planes.coefficients):
            t_plane = word.bit_select((n * self.planes[0] + i) * self.simd, self.simd)
            for b, v_plane in zip(self.activation_planes.coefficients, v_planes, strict=True):
                total = total + a * b * sum(((t_plane & v_plane)[k] for k in range(self.simd)), 0)
        reach = self.simd * int(self.levels_a[-1])
        shape = range_shape(min(0, int(self.levels_w[0]) * reach), max(0, int(self.levels_w[-1]) * reach))
        partial = Signal(shape, name=f"sum{n}")
        m.d.comb += partial.eq(total)
        return partial
