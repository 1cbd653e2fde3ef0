"""What all arrays are around their sums: beats are counted in, places are reserved for results, and no signal
that can stall crosses the pipeline in between."""

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.copies import copies
from fermatnet.hw.stream.credits import Credits
from fermatnet.hw.stream.result_queue import ResultQueue, places_behind

__all__ = ["Beats", "Flags", "FreeRunning"]


class Beats:
    """Counters of the beat at the input: ``address`` over all beats of a pixel (``cycles``), ``beat`` within
    the ``beats`` of one result, and whether it is the ``first`` or ``last`` of them (registers)."""

    def __init__(self, m: Module, cycles: int, beats: int, advance: Value):
        self.address = Signal(range(max(2, cycles)), name="address")
        self.first = Signal(name="first", init=1)
        self.last = Signal(name="last", init=beats == 1)
        self.beat = Signal(range(max(2, beats)), name="beat")
        end = Signal(name="end", init=cycles == 1)  # of the pixel
        with m.If(advance):
            if cycles > 1:
                m.d.sync += self.address.eq(Mux(end, 0, self.address + 1))
                m.d.sync += end.eq(self.address == cycles - 2)
            if beats > 1:
                m.d.sync += self.beat.eq(Mux(self.last, 0, self.beat + 1))
                m.d.sync += [self.last.eq(self.beat == beats - 2), self.first.eq(self.last)]


class Flags:
    """Whether there is a beat, and whether it is a result's first and last one, ``stages`` cycles after it
    entered; then one copy for each of ``groups`` of registers, one cycle later.

    ``valid``, ``first`` and ``done`` (the last beat of a result) are lists of one-bit registers, a copy each;
    ``before`` gives the three bits some cycles earlier.
    """

    def __init__(self, m: Module, platform: Any, enter: Value, walk: Beats, stages: int, groups: int):
        held: Value = Cat(enter, enter & walk.first, enter & walk.last)
        self._held = [held]
        for stage in range(stages):
            following = Signal(3, name=f"flags{stage}")
            m.d.sync += following.eq(held)
            held = following
            self._held.append(held)
        self.valid, self.first, self.done = (
            [Signal(name=f"{name}{group}") for group in range(groups)] for name in ("valid", "first", "done")
        )
        for bit, registers in enumerate((self.valid, self.first, self.done)):
            copies(m, platform, held[bit], registers)

    def before(self, cycles: int) -> Value:
        """Bits 0 valid, 1 first, 2 last of the beat that the copies have in ``cycles`` cycles (at least
        one)."""
        return self._held[-cycles]


class FreeRunning(wiring.Component):
    """An array behind credits and in front of a queue of results.

    A subclass gives `sums`: its pipeline, in which every register loads in every cycle or by a flag that
    travels with the data. A place in the queue is reserved with the last beat of each result, so that only
    this beat can be held up: ``i.ready`` comes from two registers, and ``o.ready`` ends in the queue.

    Attributes
    ----------
    beats : int
        Beats of a result.
    cycles : int
        Beats of an output pixel.
    depth : int
        Cycles from the last beat of a result to the one in which it is put into the queue.
    places : int
        Of the queue: as many as let a result wait until the next one is due.
    latency : int
        Cycles from the first beat of a result to the result.
    memory_target : str
        Target whose cells the weight memory may be (`fermatnet.hw.rtl.registered_rom`); "generic" leaves it
        to synthesis, with the same cycles. To be set before it is elaborated.
    rests : bool
        Whether its queue rests (`ResultQueue`): for a reader that takes a result in every fourth cycle at
        most. To be set before it is elaborated.
    reserved : bool
        Whether what feeds the array reserves the places; then ``i.ready`` is always high.

    Members
    -------
    i : In(stream), o : Out(stream)
    """

    memory_target = "generic"
    rests = False

    def _stream(
        self, i_layout: data.ArrayLayout, o_layout: data.ArrayLayout, cycles: int, beats: int, depth: int
    ):
        self.cycles, self.beats, self.depth, self.reserved = cycles, beats, depth, False
        self.o_layout = o_layout
        self._size(0)
        super().__init__({"i": In(stream.Signature(i_layout)), "o": Out(stream.Signature(o_layout))})

    def _size(self, ahead: int) -> None:
        """The queue's places, where they are reserved ``ahead`` cycles before the last beat comes."""
        self.places = places_behind(self.beats, ahead + self.depth)
        self.latency = self.beats - 1 + self.depth + ResultQueue.latency_of(self.places)

    def reserve_ahead(self, cycles: int) -> None:
        """From now on who feeds the array reserves its places, ``cycles`` before the last beat of a result;
        to be called before it is elaborated."""
        self.reserved = True
        self._size(cycles)

    @abstractmethod
    def sums(self, m: Module, platform: Any, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        """Builds the pipeline behind beat ``i`` of the cycles in which ``enter`` is high.

        Returns the results, a value a lane, and by group of lanes (``groups``) a register that is high in the
        cycle in which they are there, ``depth`` cycles after the last beat.
        """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        enter = Signal()
        walk = Beats(m, self.cycles, self.beats, enter)
        m.submodules.queue = queue = ResultQueue(self.o_layout, self.places, rests=self.rests)
        if self.reserved:
            m.d.comb += self.i.ready.eq(1)
        else:
            m.submodules.credits = credits = Credits(self.places)
            m.d.comb += [
                self.i.ready.eq(credits.room | ~walk.last),
                credits.reserve.eq(enter & walk.last),
                credits.leave.eq(self.o.valid & self.o.ready),
            ]
        m.d.comb += enter.eq(self.i.valid & self.i.ready)
        results, done = self.sums(m, platform, walk, enter, queue.groups)
        m.d.comb += queue.put.eq(Cat(done))
        m.d.comb += [queue.result[lane].eq(result) for lane, result in enumerate(results)]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        return m
