"""Places of a queue that are given out in advance, so that a pipeline before the queue never has to stop."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Credits", "places_needed"]


class Credits(wiring.Component):
    """Counts the places of a queue that are reserved: from ``reserve``, when what will fill the place enters
    the pipeline, to ``leave``, when it leaves the queue behind the pipeline.

    While ``room`` is obeyed there are never more than ``places`` results in pipeline and queue together, so
    the queue needs no more places and the pipeline no enable. ``room`` comes from a register. A place is
    reserved again `RETURN` cycles after the one in which its result left.

    Members
    -------
    reserve : In(1)
        A place is taken in this cycle; only while ``room`` is high.
    leave : In(1)
        A result leaves the queue in this cycle.
    room : Out(1)
        A place is free.
    """

    RETURN = 2

    def __init__(self, places: int):
        if places < 1:
            raise InputError(f"credits: there must be at least one place, not {places}")
        self.places = places
        self.taken = Signal(range(places + 1))  # and those whose results left in the cycle before
        self.left = Signal()  # a register, because what takes results may say late that it does
        super().__init__({"reserve": In(1), "leave": In(1), "room": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        following = Signal.like(self.taken)
        m.d.comb += following.eq(self.taken + self.reserve - self.left)
        m.d.sync += [self.left.eq(self.leave), self.taken.eq(following)]
        m.d.sync += self.room.eq(following != self.places)
        return m


def places_needed(beats: int, cycles: int) -> int:
    """Places with which a result may wait until the next one is due and nothing is held up before it.

    ``beats``: least cycles between two results. ``cycles``: from the one in which a place is reserved to the
    one in which its result is first offered. Result n + places is reserved ``places * beats`` cycles after
    result n; that one leaves at the latest ``cycles + beats - 1`` cycles after its own reservation.
    """
    return 1 - (-(cycles + Credits.RETURN - 1) // beats)
