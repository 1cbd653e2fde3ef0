# amaranth: UnusedElaboratable=no
"""Blocks that walk over a map in raster order and let part of it through, or put constant values between."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.model.errors import InputError

__all__ = ["Axis", "Crop", "Frame", "beats_chosen"]


@dataclass(frozen=True)
class Axis:
    """``count`` places ``first``, ``first + step``, ... of the ``size`` rows or columns of a map."""

    size: int
    first: int
    step: int
    count: int

    def __post_init__(self) -> None:
        last = self.first + self.step * (self.count - 1)
        if min(self.first, self.count - 1, self.step - 1) < 0 or last >= self.size:
            raise InputError(f"places {self.first}..{last} do not lie within {self.size}")

    @property
    def chosen(self) -> np.ndarray:
        """bool (size,): which places are meant."""
        places = np.zeros(self.size, bool)
        places[self.first : self.first + self.step * (self.count - 1) + 1 : self.step] = True
        return places


def beats_chosen(rows: Axis, columns: Axis, chunks: int) -> np.ndarray:
    """bool (rows.size * columns.size * chunks,): which beats of the large map are the small one's."""
    return np.repeat(np.outer(rows.chosen, columns.chosen).reshape(-1), chunks)


def _places(m, axis, name, advance):
    """Walks along an axis: (is the place chosen, is it the first, is it the last)."""
    place = Signal(range(max(2, axis.size)), name=name)
    last = place == axis.size - 1
    with m.If(advance):
        m.d.sync += place.eq(Mux(last, 0, place + 1))
    chosen = (place >= axis.first) & (place <= axis.first + axis.step * (axis.count - 1))
    if axis.step > 1:
        start = -axis.first % axis.step
        phase = Signal(range(axis.step), init=start, name=f"{name}_phase")
        with m.If(advance):
            m.d.sync += phase.eq(Mux(last, start, Mux(phase == axis.step - 1, 0, phase + 1)))
        chosen &= phase == 0
    return chosen, place == 0, last


def _walk(m, rows, columns, chunks, step):
    """Walks over the large map, a beat each ``step``: (is the beat chosen, is it the map's first)."""
    chunk = Signal(range(max(2, chunks)))
    last_chunk = chunk == chunks - 1
    with m.If(step):
        m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))
    across, left, right = _places(m, columns, "column", step & last_chunk)
    down, top, _ = _places(m, rows, "row", step & last_chunk & right)
    return across & down, top & left & (chunk == 0)


class Crop(wiring.Component):
    """Keeps the chosen rows and columns of a map, and drops the other beats.

    Latency: 1 cycle. Throughput: one beat in a cycle.

    Parameters
    ----------
    shape : ShapeLike
        Of one value.
    rows, columns : Axis
        Of the map that comes in.
    chunks, lanes : int
        Beats of a pixel, values of a beat.

    Members: i : In(stream), o : Out(stream).
    """

    latency = 1

    def __init__(self, shape, rows: Axis, columns: Axis, *, chunks: int, lanes: int):
        self.rows, self.columns, self.chunks = rows, columns, chunks
        layout = data.ArrayLayout(Shape.cast(shape), lanes)
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    def elaborate(self, platform):
        m = Module()
        accept, chosen = Signal(), Signal()
        inside, _ = _walk(m, self.rows, self.columns, self.chunks, accept)
        m.d.comb += [
            chosen.eq(inside),
            self.i.ready.eq(~chosen | self.o.ready | ~self.o.valid),
            accept.eq(self.i.valid & self.i.ready),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(accept & chosen):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(self.i.payload)]
        return m


class Frame(wiring.Component):
    """Puts a small map's pixels on the chosen rows and columns of a larger one, ``value`` on the others:
    padding, and zeros between pixels.

    What lies before the first pixel leaves once that pixel is offered; what lies after the last one follows
    by itself.

    Latency: 1 cycle. Throughput: one beat out a cycle.

    Parameters
    ----------
    shape, out_shape : ShapeLike
        Of one value that comes in, that leaves.
    rows, columns : Axis
        Of the map that leaves.
    value : int
    chunks, lanes : int
        Beats of a pixel, values of a beat.

    Members: i : In(stream), o : Out(stream).
    """

    latency = 1

    def __init__(self, shape, out_shape, rows: Axis, columns: Axis, *, value: int, chunks: int, lanes: int):
        self.rows, self.columns, self.chunks, self.lanes, self.value = rows, columns, chunks, lanes, value
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(Shape.cast(shape), lanes))),
                "o": Out(stream.Signature(data.ArrayLayout(Shape.cast(out_shape), lanes))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        free, step, inside = Signal(), Signal(), Signal()
        chosen, first = _walk(m, self.rows, self.columns, self.chunks, step)
        m.d.comb += [
            inside.eq(chosen),
            free.eq(self.o.ready | ~self.o.valid),
            self.i.ready.eq(free & inside),
            step.eq(free & (self.i.valid | ~(inside | first))),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += self.o.valid.eq(1)
            for k in range(self.lanes):
                m.d.sync += self.o.payload[k].eq(Mux(inside, self.i.payload[k], self.value))
        return m
