"""Thresholds: integers to piece indices, with a row of end-points for each channel (batch norm folded in)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.piecewise.threshold_plan import ThresholdPlan
from fermatnet.hw.rtl.comparison import at_least
from fermatnet.hw.rtl.copies import word_copies
from fermatnet.hw.rtl.registered_rom import RegisteredRom
from fermatnet.hw.rtl.rom import Rom, constant
from fermatnet.hw.stream.pipeline import Pipeline, pipeline

__all__ = ["ThresholdUnit"]


class ThresholdUnit(ThresholdPlan, wiring.Component):
    """``index[c] = sum_j (sign[c] * x[c] >= thresholds[c, j])`` for a stream of pixels, ``lanes`` channels a
    beat.

    A negative sign is turned into ``not (x >= 1 - t)``: stored thresholds and one flip bit, no negation of x.
    Forms:

    *parallel*: one comparator for each lane and threshold; their outputs are a thermometer code, so the index
    needs only the position of its one step. Latency: 2 cycles, 1 when all channels pass in one beat (the
    thresholds are then constants), and ``cuts``.
    *search*: binary search, S = ceil(log2(N+1)) stages of one comparator and one memory a lane; the bits
    found so far address the next stage's memory. Latency: S (1 + cuts) cycles, one more without cuts.
    *serial*: the same search by one comparator and one memory a lane, S (1 + cuts) cycles a beat and one more
    from a beat to its answer.

    At a short clock the first two run free behind credits (`fermatnet.hw.stream.pipeline`), a cycle more.

    Throughput: one beat in ``gap`` cycles (S (1 + cuts) for serial, else 1), C/lanes beats a pixel.

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
        pipe = pipeline(m, self.i, self.o, self.depth, clock=self.clock)
        beat = self._beat(m, pipe.accept)
        for lane in range(self.lanes):
            self._search_lane(m, lane, beat, pipe)
        return m

    def _search_lane(self, m: Module, lane: int, beat: Signal, pipe: Pipeline) -> None:
        """Levels of a lane: a memory, its register, a comparison, its register."""
        stage = iter(pipe.enables)
        x, place, found = self.i.payload[lane], beat, Const(0, 0)
        for level in range(self.index_bits):
            rom = self._memory(self.entry.size, self.search_words(lane, level))
            m.submodules[f"table{lane}_{level}"] = rom
            enable = next(stage)
            m.d.comb += [rom.addr.eq(Cat(found, place)), rom.en.eq(enable)]
            x, place, found = _held(m, enable, f"{lane}_{level}", x=x, place=place, found=found)
            if self.cuts == 2:
                enable, name = next(stage), f"{lane}_{level}_word"
                m.d.comb += rom.load.eq(enable)
                x, place, found = _held(m, enable, name, x=x, place=place, found=found)
            found = Cat(self._step(x, rom.data), found)
            if self.cuts and level < self.index_bits - 1:
                name = f"{lane}_{level}_found"
                x, place, found = _held(m, next(stage), name, x=x, place=place, found=found)
        with m.If(next(stage)):
            m.d.sync += pipe.result[lane].eq(found)

    def _serial(self) -> Module:
        m = Module()
        steps, cycles = self.index_bits, 1 + self.cuts
        busy, step, turn = Signal(), Signal(range(steps)), Signal(range(max(2, cycles)))
        done, accept, move = Signal(), Signal(), Signal()
        last = turn == self.cuts  # the step's comparison is in this cycle
        m.d.comb += [
            move.eq(busy & last & (step != steps - 1)),
            done.eq(busy & last & (step == steps - 1) & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(~busy | done),
            accept.eq(self.i.valid & self.i.ready),
        ]
        beat = self._beat(m, accept)
        place = Signal.like(beat)
        with m.If(accept):
            m.d.sync += [busy.eq(1), step.eq(0), turn.eq(0), place.eq(beat)]
        with m.Elif(done):
            m.d.sync += busy.eq(0)
        with m.Elif(move):
            m.d.sync += [step.eq(step + 1), turn.eq(0)]
        with m.Elif(~last):
            m.d.sync += turn.eq(turn + 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(done):
            m.d.sync += self.o.valid.eq(1)
        for lane in range(self.lanes):
            self._serial_lane(m, lane, accept, move, done, Cat(beat, place), turn)
        return m

    def _serial_lane(self, m, lane, accept, move, done, places, turn) -> None:
        """One memory holds all levels of a beat: the index found so far behind a leading one is the place of
        its bound."""
        steps = self.index_bits
        beat, place = places[: len(places) // 2], places[len(places) // 2 :]
        x = Signal(self.x_shape, name=f"x{lane}")
        found, following = Signal(steps, name=f"found{lane}"), Signal(steps, name=f"next{lane}")
        words = [word for words in self.heaps(lane) for word in words]
        m.submodules[f"table{lane}"] = rom = self._memory(self.entry.size, words)
        if self.cuts:  # the address is a register's
            m.d.comb += [rom.addr.eq(Cat(found, place)), rom.en.eq(turn != self.cuts)]
            if self.cuts == 2:
                m.d.comb += rom.load.eq(turn == 1)
        else:
            m.d.comb += [
                rom.addr.eq(Mux(accept, Cat(Const(1, steps), beat), Cat(following, place))),
                rom.en.eq(accept | move),
            ]
        m.d.comb += following.eq(Cat(self._step(x, rom.data), found))
        with m.If(accept):
            m.d.sync += [x.eq(self.i.payload[lane]), found.eq(1)]
        with m.Elif(move):
            m.d.sync += found.eq(following)
        with m.If(done):
            m.d.sync += self.o.payload[lane].eq(following)

    def _memory(self, width: int, words: list[int]) -> Rom | RegisteredRom:
        """A memory, its word behind a register where the clock asks for two."""
        if self.cuts < (1 if self.form == "parallel" else 2):
            return Rom(width, words, "thresholds")
        return RegisteredRom(width, words, "thresholds", target=self._target, enabled=True)

    @property
    def _target(self) -> str:
        return "generic" if self.clock is None else self.clock.target

    def _step(self, x, word):
        """Whether x lies in an upper piece."""
        entry = self.entry(word)
        return at_least(x, entry.bound, self._target) ^ (entry.flip if self.flips else 0)

    def _beat(self, m: Module, advance) -> Signal:
        """Beat of the pixel that is at the input."""
        beat = Signal(range(max(2, self.cycles)))
        with m.If(advance):
            m.d.sync += beat.eq(Mux(beat == self.cycles - 1, 0, beat + 1))
        return beat

    def _parallel(self, platform) -> Module:
        m = Module()
        pipe = pipeline(m, self.i, self.o, self.depth, clock=self.clock)
        stage = iter(pipe.enables)
        x = self.i.payload.as_value()
        copies = [x] * self.pieces  # of x: one for each comparator of a lane where the clock is tight
        if self.cycles == 1:
            word = constant(m, platform, self.word.size, self.words()[0], "thresholds")
        else:
            (x,) = _held(m, next(stage), "", x=x)
            copies = [x] * self.pieces
            m.submodules.table = rom = self._memory(self.word.size, self.words())
            beat, word = self._beat(m, pipe.accept), rom.data
            m.d.comb += [rom.addr.eq(beat), rom.en.eq(pipe.enables[0])]
            if self.cuts:
                enable = next(stage)
                m.d.comb += rom.load.eq(enable)
                count = self.pieces if self.cuts == 2 else 1
                copies = word_copies(m, platform, enable, x, count, "x_word") * (self.pieces // count)
        shape, target = self.i.payload.shape(), "generic" if self.cycles == 1 else self._target
        table = self.word(word)
        encode = self.cuts == (1 if self.cycles == 1 else 2)  # behind a register
        compared = next(stage) if encode else None
        index = Signal.like(self.o.payload)
        for lane in range(self.lanes):
            entry = table.lanes[lane]
            steps = Cat(
                at_least(shape(copies[j])[lane], entry.bounds[j], target) ^ (entry.flip if self.flips else 0)
                for j in range(self.pieces)
            )
            if compared is not None:
                (steps,) = _held(m, compared, f"{lane}", steps=steps)
            m.d.comb += index[lane].eq(_thermometer_to_binary(m, steps, self.index_bits, f"steps{lane}"))
        with m.If(pipe.enables[-1]):
            m.d.sync += pipe.result.eq(index)
        return m


def _held(m: Module, enable, name: str, **values) -> list:
    """Each of ``values`` that has bits in a register that loads with ``enable``."""
    held = []
    for key, value in values.items():
        shape = Value.cast(value).shape()
        register = Signal(shape, name=f"{key}{name}", reset_less=True) if shape.width else value
        if shape.width:
            with m.If(enable):
                m.d.sync += register.eq(value)
        held.append(register)
    return held


def _thermometer_to_binary(m: Module, steps, bits: int, name: str):
    """Number of ones of a thermometer code (steps[j] implies steps[j-1]): bit k is the parity of every 2^k-th
    step."""
    code = Signal(len(steps), name=name)
    m.d.comb += code.eq(steps)
    result = Signal(bits, name=f"{name}_count")
    for k in range(bits):
        taps = [code[j] for j in range((1 << k) - 1, len(steps), 1 << k)]
        parity = taps[0]
        for tap in taps[1:]:
            parity ^= tap
        m.d.comb += result[k].eq(parity)
    return result
