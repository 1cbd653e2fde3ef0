"""Thresholds: integers to piece indices, with a row of end-points for each channel (batch norm folded in)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.threshold_plan import ThresholdPlan
from fermatnet.hw.rtl.rom import Rom, constant
from fermatnet.hw.stream.elastic import elastic

__all__ = ["ThresholdUnit"]


class ThresholdUnit(ThresholdPlan, wiring.Component):
    """``index[c] = sum_j (sign[c] * x[c] >= thresholds[c, j])`` for a stream of pixels, ``lanes`` channels a
    beat.

    A negative sign is turned into ``not (x >= 1 - t)``: stored thresholds and one flip bit, no negation of x.
    Forms:

    *parallel*: one comparator for each lane and threshold; their outputs are a thermometer code, so the index
    needs only the position of its one step. Latency: 2 cycles, 1 when all channels pass in one beat (the
    thresholds are then constants).
    *search*: binary search, S = ceil(log2(N+1)) stages of one comparator and one memory a lane; the bits
    found so far address the next stage's memory. Latency: S + 1 cycles. *serial*: the same search by one
    comparator and one memory a lane, S cycles a beat.
    Latency: S + 1 cycles.

    Throughput: one beat in ``gap`` cycles (S for serial, else 1), C/lanes beats a pixel.

    Parameters are those of `ThresholdPlan`.

    Members
    -------
    i : In(stream of ArrayLayout(x_shape, lanes))
    o : Out(stream of ArrayLayout(unsigned(ceil(log2(N+1))), lanes))
    """

    def __init__(self, *args, **options):
        ThresholdPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self,
            {
                "i": In(stream.Signature(data.ArrayLayout(self.x_shape, self.lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(self.index_bits, self.lanes))),
            },
        )

    def elaborate(self, platform) -> Module:
        return (
            self._parallel(platform)
            if self.form == "parallel"
            else self._search()
            if self.form == "search"
            else self._serial()
        )

    def _search(self) -> Module:
        m = Module()
        steps = self.index_bits
        valids, enables = elastic(m, self.i.valid, self.o.ready, steps + 1)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        beat = self._beat(m, enables[0] & self.i.valid)
        for lane in range(self.lanes):
            x, place, found = self.i.payload[lane], beat, Const(0, 0)
            for level in range(steps):
                rom = Rom(self.entry.size, self.search_words(lane, level), "thresholds")
                m.submodules[f"table{lane}_{level}"] = rom
                m.d.comb += [rom.addr.eq(Cat(found, place)), rom.en.eq(enables[level])]
                held_x, held_place = (
                    Signal(self.x_shape, name=f"x{lane}_{level}"),
                    Signal(len(beat), name=f"place{lane}_{level}"),
                )
                with m.If(enables[level]):
                    m.d.sync += [held_x.eq(x), held_place.eq(place)]
                    if level:
                        held_found = Signal(level, name=f"found{lane}_{level}")
                        m.d.sync += held_found.eq(found)
                x, place = held_x, held_place
                found = Cat(self._step(x, rom.data), held_found if level else Const(0, 0))
            with m.If(enables[steps]):
                m.d.sync += self.o.payload[lane].eq(found)
        return m

    def _serial(self) -> Module:
        m = Module()
        steps = self.index_bits
        busy, step, done = Signal(), Signal(range(steps)), Signal()
        free = ~self.o.valid | self.o.ready
        m.d.comb += [done.eq(busy & (step == steps - 1) & free), self.i.ready.eq(~busy | done)]
        accept = Signal()
        m.d.comb += accept.eq(self.i.valid & self.i.ready)
        beat = self._beat(m, accept)
        place, move = Signal.like(beat), Signal()
        m.d.comb += move.eq(accept | (busy & (step != steps - 1)))
        with m.If(accept):
            m.d.sync += [busy.eq(1), step.eq(0), place.eq(beat)]
        with m.Elif(done):
            m.d.sync += busy.eq(0)
        with m.Elif(move):
            m.d.sync += step.eq(step + 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(done):
            m.d.sync += self.o.valid.eq(1)
        for lane in range(self.lanes):
            x, found, following = (
                Signal(self.x_shape, name=f"x{lane}"),
                Signal(steps, name=f"found{lane}"),
                Signal(steps, name=f"next{lane}"),
            )
            # One memory holds all levels of a beat: the index found so far behind a leading one is the place
            # of its bound.
            words = [word for words in self.heaps(lane) for word in words]
            m.submodules[f"table{lane}"] = rom = Rom(self.entry.size, words, "thresholds")
            m.d.comb += following.eq(Cat(self._step(x, rom.data), found))
            m.d.comb += [
                rom.addr.eq(Mux(accept, Cat(Const(1, steps), beat), Cat(following, place))),
                rom.en.eq(move),
            ]
            with m.If(accept):
                m.d.sync += [x.eq(self.i.payload[lane]), found.eq(1)]
            with m.Elif(move):
                m.d.sync += found.eq(following)
            with m.If(done):
                m.d.sync += self.o.payload[lane].eq(following)
        return m

    def _step(self, x, word):
        """Whether x lies in an upper piece."""
        entry = self.entry(word)
        return (x >= entry.bound) ^ (entry.flip if self.flips else 0)

    def _beat(self, m: Module, advance) -> Signal:
        """Beat of the pixel that is at the input."""
        beat = Signal(range(max(2, self.cycles)))
        with m.If(advance):
            m.d.sync += beat.eq(Mux(beat == self.cycles - 1, 0, beat + 1))
        return beat

    def _parallel(self, platform) -> Module:
        m = Module()
        valids, enables = elastic(m, self.i.valid, self.o.ready, self.latency)
        m.d.comb += [self.i.ready.eq(enables[0]), self.o.valid.eq(valids[-1])]
        x = Signal.like(self.i.payload)
        if self.cycles == 1:
            m.d.comb += x.eq(self.i.payload)
            word = constant(m, platform, self.word.size, self.words()[0], "thresholds")
        else:
            with m.If(enables[0]):
                m.d.sync += x.eq(self.i.payload)
            word = self._read(m, enables[0])
        table = self.word(word)
        index = Signal.like(self.o.payload)
        for lane in range(self.lanes):
            entry = table.lanes[lane]
            steps = [
                (x[lane] >= entry.bounds[j]) ^ (entry.flip if self.flips else 0) for j in range(self.pieces)
            ]
            m.d.comb += index[lane].eq(_thermometer_to_binary(m, steps, self.index_bits, f"steps{lane}"))
        with m.If(enables[-1]):
            m.d.sync += self.o.payload.eq(index)
        return m

    def _read(self, m: Module, enable: Signal) -> Signal:
        """The word of the beat now in stage 0: a counter over the beats of a pixel and the memory."""
        m.submodules.table = rom = Rom(self.word.size, self.words(), "thresholds")
        beat = self._beat(m, enable & self.i.valid)
        m.d.comb += [rom.addr.eq(beat), rom.en.eq(enable)]
        return rom.data


def _thermometer_to_binary(m: Module, steps: list, bits: int, name: str):
    """Number of ones of a thermometer code (steps[j] implies steps[j-1]): bit k is the parity of every 2^k-th
    step."""
    code = Signal(len(steps), name=name)
    m.d.comb += [code[j].eq(step) for j, step in enumerate(steps)]
    result = Signal(bits, name=f"{name}_count")
    for k in range(bits):
        taps = [code[j] for j in range((1 << k) - 1, len(steps), 1 << k)]
        parity = taps[0]
        for tap in taps[1:]:
            parity ^= tap
        m.d.comb += result[k].eq(parity)
    return result
