"""Requantisation rebuilt exactly: any source's arithmetic as a staircase, and the cheapest integer form with
the same steps.

A requantisation maps an integer accumulator to a few bits. Whatever arithmetic its source uses (a doubling
high multiply and a rounding shift, float32 with ties to even, a float64 chain), the result never falls when
the accumulator grows: it is a *staircase*, and its steps say all there is to know. :func:`staircases` finds
them by bisection from the source's own arithmetic (:mod:`.sources`); :func:`as_floor` decides, exactly,
whether one ``floor((x m + o) / 2^s)`` has the same steps on the whole range, and gives the smallest such
shift;
:func:`rebuild` takes that form for every channel where it exists, and where it does not the nearest one with
the few accumulators at which it is off by one.
"""

from fermatnet.model.exchange.requantize.floor import FloorForm, as_floor, nearest_floor
from fermatnet.model.exchange.requantize.rebuild import Requantizer, exactly, rebuild
from fermatnet.model.exchange.requantize.staircase import Staircase, staircases

__all__ = [
    "FloorForm",
    "Requantizer",
    "Staircase",
    "as_floor",
    "exactly",
    "nearest_floor",
    "rebuild",
    "staircases",
]
