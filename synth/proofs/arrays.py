# amaranth: UnusedElaboratable=no
"""Proofs of the arrays' stall contract: behind credits nothing is lost, doubled or overtaken, and the queue
of results never overflows. For every pattern of offers and stalls.

The design is `fermatnet.hw.arrays.free_running.FreeRunning` as it stands around a pipeline that carries the
last beat of each result through, which is all that the contract is about. Order is proved by colours: whoever
sends 0, ..., 0, 1, 2, ..., 2 and always gets 0, ..., 0, 1, 2, ..., 2 back has lost, doubled and exchanged
nothing (P. Wolper, "Expressing interesting properties of programs in propositional temporal logic", 1986).
The invariant reads pipeline and queue from the oldest result to the newest: their colours go on where those
that left ended, and end where those that entered are.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from fermatnet.hw.arrays.free_running import Beats, Flags, FreeRunning
from fermatnet.hw.rtl.copies import SPREAD
from fermatnet.hw.stream.result_queue import CHAIN
from fermatnet.synth.formal import Named, Proof
from fermatnet.synth.proofs.invariants import Harness, all_bits, follows, implies

__all__ = ["Carrier", "FreeRun", "LongQueue", "array_mutants", "array_proofs"]


class Carrier(FreeRunning):
    """An array whose result is the last of its ``beats`` beats, ``depth`` cycles later."""

    def __init__(self, beats: int, depth: int, ahead: int | None = None):
        layout = data.ArrayLayout(SPREAD // 2 + 1, 2)  # two groups of registers
        self._stream(layout, layout, beats, beats, depth)
        if ahead is not None:
            self.reserve_ahead(ahead)
        self.carried = [Signal(layout, name=f"carried{k}", reset_less=True) for k in range(depth)]

    def sums(self, m: Module, platform: Any, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        before = self.i.payload
        for place in self.carried:
            m.d.sync += place.eq(before)
            before = place
        assert groups == [0, 1]
        self.walk, self.flags = walk, Flags(m, platform, enter, walk, self.depth - 1, groups[-1] + 1)
        return list(before), self.flags.done


class Resting(Carrier):
    """One whose queue rests."""

    rests = True


class FreeRun(Harness):
    """A `Carrier` between free neighbours that keep the stream's rules."""

    claims = (
        ("a result comes only to a free place", "fits", 0),
        ("results leave in order, none lost and none twice", "ordered", 0),
        ("a waiting result keeps its payload", "stays", 1),
        ("only the last beat of a result is held up", "held_up", 0),
    )
    covers = (
        ("the queue is full while the last beat of a result waits", "full", 0),
        ("the result of colour 1 leaves", "leaving", 0),
    )

    def __init__(self, design: Carrier):
        self.design = design
        layout = design.i.payload.shape()
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design = self.design
        m.submodules.design = inner = design.elaborate(platform)
        queue, credits = inner.submodules.queue, inner.submodules.credits
        m.d.comb += [design.i.payload.eq(self.i.payload), design.i.valid.eq(self.i.valid)]
        m.d.comb += [self.i.ready.eq(design.i.ready), design.o.ready.eq(self.o.ready)]
        m.d.comb += [self.o.payload.eq(design.o.payload), self.o.valid.eq(design.o.valid)]
        walk, colour = design.walk, self.i.payload
        enter = self.i.valid & self.i.ready & walk.last
        entered = self._seen(m, enter, colour[0], "entered")
        leave = self.o.valid & self.o.ready
        left = self._seen(m, leave, self.o.payload[0], "left")
        moving = self._moving(queue)
        waited, before = Signal(), Signal.like(self.o.payload, reset_less=True)
        m.d.sync += [waited.eq(self.o.valid & ~self.o.ready), before.eq(self.o.payload)]
        stays = implies(waited, self.o.valid & (before == self.o.payload))
        occupied = sum((here for here, _ in moving), start=Value.cast(credits.left))
        consistent, state = self._coloured(moving, left)
        invariant = all_bits(
            credits.taken == occupied,
            credits.taken <= design.places,
            credits.room == (credits.taken != design.places),
            walk.beat < design.beats,
            walk.last == (walk.beat == design.beats - 1),
            walk.first == (walk.beat == 0),
            *(copy == here for own, here in zip(queue.own, queue.here[1:], strict=True) for copy in own),
            design.flags.done[0] == design.flags.done[1],
            consistent,
            state == entered,
        )
        return {
            "invariant": invariant,
            "assumed": implies(enter, self._follows(entered, colour[0]) & (colour[0] == colour[1])),
            "fits": implies(queue.put[0], ~queue.here[0] | self._emptied(queue)),
            "ordered": implies(
                leave, self._follows(left, self.o.payload[0]) & (self.o.payload[0] == self.o.payload[1])
            ),
            "stays": stays,
            "held_up": implies(~self.i.ready, walk.last),
            "full": self.i.valid & ~self.i.ready & self._all(queue.here),
            "leaving": leave & (self.o.payload[0] == 1),
        }

    @staticmethod
    def _all(bits: list) -> Value:
        return all_bits(*bits)

    def _emptied(self, queue: Any) -> Value:
        """Whether the newest place's result moves on in this cycle: some place after it is free."""
        free: Value = Const(0) if queue.rests else self.o.ready
        for here in reversed(queue.here[1:]):
            free = ~here | free
        return free

    def _moving(self, queue: Any) -> list[tuple[Value, Value]]:
        """(is there a result, its colour) of every place of pipeline and queue, the oldest first."""
        design = self.design
        flags: list[Value] = [design.flags.before(k)[2] for k in range(design.depth - 1, 0, -1)]
        here = [*flags, design.flags.done[0], *queue.here]
        held = [*design.carried, *queue.held]
        return list(reversed(list(zip(here, held, strict=True))))

    @staticmethod
    def _seen(m: Module, now: Value, colour: Value, name: str) -> Signal:
        """Whether the result of colour 1 has passed."""
        seen = Signal(name=name)
        with m.If(now & (colour == 1)):
            m.d.sync += seen.eq(1)
        return seen

    @staticmethod
    def _follows(seen: Value, colour: Value) -> Value:
        return Mux(seen, colour == 2, (colour == 0) | (colour == 1))

    def _coloured(self, moving: list[tuple[Value, Value]], state: Value) -> tuple[Value, Value]:
        right = []
        for here, lanes in moving:
            right.append(implies(here, self._follows(state, lanes[0]) & (lanes[0] == lanes[1])))
            state = state | (here & (lanes[0] == 1))
        return all_bits(*right), state


class LongQueue(Harness):
    """A `Carrier` whose queue is a memory: its counters, which say where each result is written and read."""

    claims = (
        ("a result comes only to a free place", "fits", 0),
        ("a result is offered exactly while one is there", "offers", 0),
        ("results are read in the order of their places", "ordered", 1),
    )
    covers = (("the queue is full", "full", 0),)

    def __init__(self, design: Carrier):
        self.design = design
        super().__init__({"valid": In(1), "ready": In(1)})

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, places = self.design, self.design.places
        m.submodules.design = inner = design.elaborate(platform)
        queue, credits = inner.submodules.queue, inner.submodules.credits
        m.d.comb += [design.i.valid.eq(self.valid), design.o.ready.eq(self.ready)]
        flags = [design.flags.before(k)[2] for k in range(design.depth - 1, 0, -1)]
        moving = sum((Value.cast(flag) for flag in flags), start=Value.cast(design.flags.done[0]))
        leave = design.o.valid & design.o.ready
        reach = queue.read + queue.level
        invariant = all_bits(
            credits.taken == moving + queue.level + credits.left,
            credits.taken <= places,
            credits.room == (credits.taken != places),
            queue.write == Mux(reach >= places, reach - places, reach),
            (queue.read < places) & (queue.write < places),
            queue.some == (queue.level != 0),
            design.flags.done[0] == design.flags.done[1],
            design.walk.beat < design.beats,
            design.walk.last == (design.walk.beat == design.beats - 1),
        )
        return {
            "invariant": invariant,
            "assumed": 1,
            "fits": implies(queue.put[0], queue.level < places),
            "offers": design.o.valid == (queue.level != 0),
            "ordered": follows(queue.read, leave, places, "read", m)
            & follows(queue.write, queue.put[0], places, "write", m),
            "full": queue.level == places,
        }


SHORT = ((3, 4), (5, 3), (9, 2))
LONG = ((1, 3), (2, 5))
"""(beats, depth) whose queues are registers, and a memory."""


def _harness(beats: int, depth: int, design: type[Carrier] = Carrier) -> Harness:
    carrier = design(beats, depth)
    return FreeRun(carrier) if carrier.places <= CHAIN else LongQueue(carrier)


def array_proofs(only: str = "") -> Iterator[Named]:
    """The stall contract for short and long results (or those whose name holds ``only``), and that nothing
    claimed is true of nothing."""
    designs: list[tuple[int, int, type[Carrier]]] = [(*sizes, Carrier) for sizes in (*SHORT, *LONG)]
    designs += [(*sizes, Resting) for sizes in SHORT]
    for beats, depth, design in designs:
        name = f"free-running array of {beats} beats and {depth} stages"
        name += ", its queue resting" * design.rests
        if only not in name:
            continue
        harness = _harness(beats, depth, design)
        for claim, proof in harness.proofs():
            yield Named(f"{name}: {claim}", partial(_given, proof))
        for words, proof in harness.vacuities():
            yield Named(f"{name}: not only without that {words}", partial(_given, proof), expected=False)


def _given(proof: Proof) -> Proof:
    return proof


class Generous(Carrier):
    """Takes every beat, room or not."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += self.i.ready.eq(1)
        return m


class Forgetful(Carrier):
    """Gives a place back while its result still waits."""

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        m.d.comb += m.submodules.credits.leave.eq(self.o.valid)
        return m


class Early(Carrier):
    """Puts each result into the queue a cycle before its data are there."""

    def sums(self, m: Module, platform: Any, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        results, _ = super().sums(m, platform, walk, enter, groups)
        return results, [self.flags.before(1)[2]] * 2


class Unequal(Carrier):
    """Loads the second group of registers a cycle late."""

    def sums(self, m: Module, platform: Any, walk: Beats, enter: Value, groups: list[int]) -> tuple:
        results, done = super().sums(m, platform, walk, enter, groups)
        late = Signal()
        m.d.sync += late.eq(done[1])
        return results, [done[0], late]


def array_mutants() -> Iterator[Named]:
    """Each wrong array with the claims that it must break: at least one of them is refuted."""
    wrong = {
        Generous: ("the invariant is kept",),
        Forgetful: ("the invariant is kept",),
        Early: ("the invariant is kept",),
        Unequal: ("the invariant is kept",),
    }
    for design, claims in wrong.items():
        for beats, depth in (SHORT[0], *(LONG[:1] if design in (Generous, Forgetful) else ())):
            proofs = dict(_harness(beats, depth, design).proofs())
            for claim in claims:
                name = f"{design.__name__} array of {beats} beats: {claim}"
                yield Named(name, partial(_given, proofs[claim]), expected=False)
