"""Between blocks that take different numbers of channels a beat."""

from math import gcd

from amaranth.hdl import Cat, Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.rtl.copies import SPREAD, copies, spread
from fermatnet.model.errors import InputError

__all__ = ["WidthConverter"]

PLACES = 32
"""Of a collector, up to which each may have an enable of its own."""


class WidthConverter(wiring.Component):
    """Regroups the channels of each pixel from ``lanes_in`` to ``lanes_out`` a beat; order is kept.

    A gearbox: narrow pieces of gcd(lanes_in, lanes_out) channels pass through a shift register. With one of
    the two dividing the other this is the usual serialiser or collector.

    Latency: ceil(lanes_out / lanes_in) cycles from the first beat in to the first beat out, 0 where the
    widths are equal.
    Throughput: the wider side's beat per ``max(lanes) / min(lanes)`` cycles, that is ``cycles`` a pixel =
    max(channels / lanes_in, channels / lanes_out), no bubble between pixels where one width divides the
    other. A serialiser or collector that ``rests`` takes nothing in the cycle in which the last piece or the
    whole leaves, one cycle more for each beat of the wider side: then ``i.ready`` is a register. A serialiser
    that ``halves`` its pace takes a beat in the cycle after it was offered, gives a piece in every other one
    from the next on, and moves its bits by registers alone.

    Parameters
    ----------
    shape : Shape
        Of one channel.
    lanes_in, lanes_out : int
        Both divide ``channels``.
    channels : int
    rests, halves : bool
        Of a serialiser or collector only; of a serialiser that rests only.

    Members
    -------
    i : In(stream), o : Out(stream)
    """

    def __init__(self, shape, lanes_in, lanes_out, channels, *, rests=False, halves=False):
        self.rests, self.halves = rests, halves
        self.shape, self.lanes_in, self.lanes_out, self.channels = (
            Shape.cast(shape),
            lanes_in,
            lanes_out,
            channels,
        )
        if channels % lanes_in or channels % lanes_out:
            raise InputError(
                f"width converter: {lanes_in} and {lanes_out} lanes must both divide {channels} channels"
            )
        if rests and (lanes_in == lanes_out or (lanes_in % lanes_out and lanes_out % lanes_in)):
            raise InputError(
                f"width converter: one between {lanes_in} and {lanes_out} lanes cannot rest: leave rests away"
            )
        if halves and not (rests and lanes_in > lanes_out):
            raise InputError(
                "width converter: only a serialiser that rests can halve its pace: give rests=True"
            )
        self.latency = 0 if lanes_in == lanes_out else -(-lanes_out // lanes_in)
        self.cycles = max(channels // lanes_in, channels // lanes_out)
        if rests:
            self.cycles += channels // (lanes_out if halves else max(lanes_in, lanes_out))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes_in))),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, lanes_out))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if self.lanes_in == self.lanes_out:
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        elif self.lanes_out % self.lanes_in == 0:
            self._collect(m, platform)
        elif self.halves:
            self._serialise_slowly(m, platform)
        elif self.lanes_in % self.lanes_out == 0:
            self._serialise(m)
        else:
            self._gearbox(m)
        return m

    def _collect(self, m, platform):
        ratio, bits = self.lanes_out // self.lanes_in, self.shape.width * self.lanes_in
        if self.rests and ratio <= PLACES and ratio * bits > SPREAD:
            self._collect_in_place(m, platform, ratio, bits)
            return
        held = Signal(bits * ratio, reset_less=True)
        count = Signal(range(ratio))  # pieces held, of those that are not whole yet
        full, last = Signal(), Signal()  # full: a register, for the neighbour's ready asks it
        m.d.comb += [
            last.eq(count == ratio - 1),
            self.o.valid.eq(full),
            self.o.payload.as_value().eq(held),
            self.i.ready.eq(~full if self.rests else ~full | self.o.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                held.eq(Cat(held[bits:], self.i.payload.as_value())),
                count.eq(Mux(last, 0, count + 1)),
                full.eq(last),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)

    def _collect_in_place(self, m, platform, ratio, bits):
        """A place loads in every cycle in which it is its turn, which ends with the beat that is taken there:
        no register of the many asks whether one comes."""
        full, takes, copied = Signal(), Signal(), -(-bits // SPREAD)
        turns = [[Signal(name=f"turn{k}_{copy}", init=not k) for copy in range(copied)] for k in range(ratio)]
        m.d.comb += [takes.eq(self.i.valid & ~full), self.i.ready.eq(~full), self.o.valid.eq(full)]
        m.d.sync += full.eq(Mux(full, ~self.o.ready, takes & turns[-1][0]))
        for k, turn in enumerate(turns):
            comes = takes & turns[k - 1][0] if k else full & self.o.ready
            copies(m, platform, Mux(turn[0], ~takes, comes), turn)
            place = Signal(bits, name=f"place{k}", reset_less=True)
            for copy, loads in enumerate(turn):
                part = slice(copy * bits // copied, (copy + 1) * bits // copied)
                with m.If(loads):
                    m.d.sync += place[part].eq(self.i.payload.as_value()[part])
            m.d.comb += self.o.payload.as_value()[k * bits : (k + 1) * bits].eq(place)

    def _serialise(self, m):
        ratio, bits = self.lanes_in // self.lanes_out, self.shape.width * self.lanes_out
        held = Signal(bits * ratio, reset_less=True)
        count, following = Signal(range(ratio + 1)), Signal(range(ratio + 1))  # pieces left
        empty, few = Signal(init=1), Signal(init=1)  # none, one at most: registers, for many tables ask
        takes, ready = (empty, empty) if self.rests else (few, empty | (few & self.o.ready))
        m.d.comb += [self.o.valid.eq(~empty), self.o.payload.as_value().eq(held[:bits])]
        m.d.comb += self.i.ready.eq(ready)
        with m.If(empty | self.o.ready):
            # What is taken with the last piece, or into the empty one, counts only if it is valid; what moves
            # into the last place never does.
            coming = self.i.payload.as_value()
            m.d.sync += held.eq(Cat(Mux(takes, coming[:-bits], held[bits:]), coming[-bits:]))
        m.d.comb += following.eq(count)
        with m.If(self.i.valid & self.i.ready):
            m.d.comb += following.eq(ratio)
        with m.Elif(~empty & self.o.ready):
            m.d.comb += following.eq(count - 1)
        m.d.sync += [count.eq(following), empty.eq(following == 0), few.eq(following <= 1)]

    def _serialise_slowly(self, m, platform):
        """What loads and moves the many bits are registers, one for each few dozen. The piece that is given
        stands in a register of its own, so that what fills it, and moves the others in the next cycle, asks
        registers alone and nobody behind."""
        ratio, bits = self.lanes_in // self.lanes_out, self.shape.width * self.lanes_out
        groups = spread([bits] * ratio)
        loads = [Signal(name=f"loads{group}", init=1) for group in range(groups[-1] + 1)]  # no piece is left
        moves = [Signal(name=f"moves{group}") for group in range(groups[-1] + 1)]
        count, there, last, filled = Signal(range(ratio + 1)), Signal(), Signal(), Signal()
        # What is offered is loaded until it is taken, a cycle after it was seen: loads asks registers, too.
        sees, gives = Signal(), Signal()
        seen, taken = Signal(name="seen"), Signal(name="taken")  # here, and beside whoever offers
        copies(m, platform, sees, [seen, taken])
        copies(m, platform, (loads[0] & ~seen) | (gives & last), loads)
        copies(m, platform, gives & ~last, moves)
        m.d.comb += [sees.eq(self.i.valid & loads[0] & ~seen), self.i.ready.eq(taken)]
        m.d.comb += [self.o.valid.eq(filled), gives.eq(there & ~filled)]
        m.d.sync += there.eq(sees | moves[0] | (there & filled))
        m.d.sync += filled.eq(Mux(filled, ~self.o.ready, there))
        with m.If(sees):
            m.d.sync += [count.eq(ratio), last.eq(0)]
        with m.Elif(gives):
            m.d.sync += [count.eq(count - 1), last.eq(count == 2)]
        pieces = [Signal(bits, name=f"piece{k}", reset_less=True) for k in range(ratio)]
        for k, (piece, group) in enumerate(zip(pieces, groups, strict=True)):
            coming = self.i.payload.as_value().word_select(k, bits)
            following = pieces[k + 1] if k + 1 < ratio else coming
            with m.If(loads[group] | moves[group]):
                m.d.sync += piece.eq(Mux(loads[group], coming, following))
        given = Signal(bits, reset_less=True)
        with m.If(~filled):
            m.d.sync += given.eq(pieces[0])
        m.d.comb += self.o.payload.as_value().eq(given)

    def _gearbox(self, m):
        """Pieces of gcd channels; room for one beat in and two out, so that the side with more beats never
        pauses."""
        unit = gcd(self.lanes_in, self.lanes_out)
        take, give, bits = self.lanes_in // unit, self.lanes_out // unit, self.shape.width * unit
        room = take + 2 * give
        held = Signal(bits * room, reset_less=True)
        count = Signal(range(room + 1))
        accept, leave = Signal(), Signal()
        m.d.comb += [self.o.valid.eq(count >= give), self.o.payload.as_value().eq(held[: bits * give])]
        m.d.comb += self.i.ready.eq(count <= room - take)
        m.d.comb += [accept.eq(self.i.valid & self.i.ready), leave.eq(self.o.valid & self.o.ready)]
        rest, left = Signal.like(held), Signal.like(count)
        m.d.comb += [
            rest.eq(Mux(leave, held >> (bits * give), held)),
            left.eq(Mux(leave, count - give, count)),
        ]
        m.d.sync += [held.eq(rest), count.eq(left + Mux(accept, take, 0))]
        with m.If(accept), m.Switch(left):
            for k in range(room - take + 1):
                with m.Case(k):
                    m.d.sync += held[bits * k : bits * (k + take)].eq(self.i.payload.as_value())
        return m
