"""Images of the wrong length: what enters is made whole, and what comes of it is dropped or marked.

A network takes images back to back and counts beats, so one beat too few would shift every image after it.
`LengthGuard` stands before the network and lets exactly ``beats`` beats of every image in: a short image is
filled up with a constant, what is too much is swallowed. For each image it gives one verdict, as soon as it
is known. `ResultFilter` stands behind the network, counts the same images, and lets nothing of a bad one
out of which nothing has left; if something has, it marks the rest.
"""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["COUNT_BITS", "ErrorCount", "LengthGuard", "ResultFilter"]

COUNT_BITS = 16


class ErrorCount(wiring.Component):
    """``error`` rises with the first ``event`` and stays, ``count`` says how many came; reset clears both.

    The count stops at 65535.

    Members: event : In(1); error : Out(1); count : Out(16).
    """

    def __init__(self):
        super().__init__({"event": In(1), "error": Out(1), "count": Out(COUNT_BITS)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.event):
            m.d.sync += [self.error.eq(1), self.count.eq(self.count + ~self.count.all())]
        return m


class LengthGuard(wiring.Component):
    """Lets exactly ``beats`` beats of every image through, and tells which images were right.

    Latency: 0. Throughput: one beat per cycle; a short image takes its missing beats' cycles, a surplus
    beat one.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    lanes : int
    beats : int
        Of one image. Of several, ``verdict.ready`` must stay until a verdict is given, as a queue's does: the
        guard looks at it a cycle early, and at a verdict in the cycle after another one that much later.
    filling : int
        Value of the lanes that fill up a short image.

    Members
    -------
    i : In(stream of ``lanes``), last : In(1), whole : In(1)
        A beat, whether it is its image's last one, and whether all its bytes are there.
    hold : In(1)
        No image may begin to enter.
    o : Out(stream of ``lanes``)
    verdict : Out(stream of 1)
        1 for a bad image; one beat an image, with or before its last beat at ``o``.
    bad : Out(1)
        High for one cycle for each bad image.
    enters : Out(1)
        The first beat of an image is taken at ``o``.
    """

    latency = 0

    def __init__(self, shape, *, lanes, beats, filling=0):
        self.shape, self.lanes, self.beats, self.filling = shape, lanes, beats, filling
        layout = data.ArrayLayout(shape, lanes)
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "last": In(1),
                "whole": In(1),
                "hold": In(1),
                "o": Out(stream.Signature(layout)),
                "verdict": Out(stream.Signature(1)),
                "bad": Out(1),
                "enters": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        place = Signal(range(max(2, self.beats)))
        spoilt = Signal()  # a beat of this image had bytes missing
        at_end = Signal(init=self.beats == 1)  # of the beats of an image: a register, for many tables ask
        judged = Signal()
        may = Signal()
        room: Value = self.verdict.ready
        moves = self.o.valid & self.o.ready
        given = self.i.valid & self.o.ready & judged & ~(self.hold & (place == 0))
        if self.beats > 1:
            room = Signal(name="room")
            given &= room
            m.d.sync += room.eq(self.verdict.ready & ~self.verdict.valid)
        m.d.comb += [
            judged.eq(self.last | at_end),
            may.eq(~(self.hold & (place == 0)) & (room | ~judged)),
            self.verdict.payload.eq((self.last ^ at_end) | spoilt | ~self.whole),
            self.bad.eq(self.verdict.valid & self.verdict.ready & self.verdict.payload),
            self.enters.eq(moves & (place == 0)),
            self.o.payload.eq(self.i.payload),
        ]
        with m.If(moves):
            m.d.sync += place.eq(Mux(at_end, 0, place + 1))
            if self.beats > 1:
                m.d.sync += at_end.eq(place == self.beats - 2)
        with m.FSM():
            with m.State("PASS"):
                m.d.comb += [
                    self.o.valid.eq(self.i.valid & may),
                    self.i.ready.eq(self.o.ready & may),
                    self.verdict.valid.eq(given),
                ]
                with m.If(moves):
                    m.d.sync += spoilt.eq(~judged & (spoilt | ~self.whole))
                    with m.If(self.last & ~at_end):
                        m.next = "FILL"
                    with m.Elif(at_end & ~self.last):
                        m.next = "SWALLOW"
            with m.State("FILL"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    *(self.o.payload[k].eq(self.filling) for k in range(self.lanes)),
                ]
                with m.If(moves & at_end):
                    m.next = "PASS"
            with m.State("SWALLOW"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & self.last):
                    m.next = "PASS"
        return m


class ResultFilter(wiring.Component):
    """Drops the results of a bad image while none has left, else marks those that follow.

    Latency: 0. Throughput: one beat per cycle.

    Parameters
    ----------
    payload : ShapeLike
    beats : int
        Of one image's results.
    early : bool
        Whether results may come before their image's verdict. Only the last beat then waits for it: what
        stands before this block must have a place for that beat, so that the network runs on.

    Members
    -------
    i : In(stream)
    verdict : In(stream of 1)
        1 for a bad image; taken with the last beat of its results.
    o : Out(stream), last : Out(1), invalid : Out(1)
        Beats that leave; ``invalid``: the image is known to be bad.
    leaves : Out(1)
        The last beat of an image's results is taken at ``i``.
    """

    latency = 0

    def __init__(self, payload, *, beats, early):
        self.beats, self.early = beats, early
        super().__init__(
            {
                "i": In(stream.Signature(payload)),
                "verdict": In(stream.Signature(1)),
                "o": Out(stream.Signature(payload)),
                "last": Out(1),
                "invalid": Out(1),
                "leaves": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        i, o = self.i, self.o
        place = Signal(range(max(2, self.beats)))
        begun = Signal()  # a beat of this image has left
        bad = Signal()
        drop = Signal()
        may = Signal()
        taken = i.valid & i.ready
        known = self.verdict.valid
        m.d.comb += [
            self.last.eq(place == self.beats - 1),
            bad.eq(known & self.verdict.payload),
            drop.eq(bad & ~begun),
            may.eq(known | ~self.last if self.early else known),
            o.payload.eq(i.payload),
            o.valid.eq(i.valid & may & ~drop),
            i.ready.eq(may & (o.ready | drop)),
            self.invalid.eq(bad),
            self.leaves.eq(taken & self.last),
            self.verdict.ready.eq(taken & self.last),
        ]
        with m.If(taken):
            m.d.sync += [place.eq(Mux(self.last, 0, place + 1)), begun.eq(~self.last & (begun | ~drop))]
        return m
