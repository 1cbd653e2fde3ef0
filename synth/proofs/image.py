"""Proofs of the convolver's input: pixels in raster order in, every point of every tile the right pixel of
the right image.

An arbitrary word of the ring is followed: ghosts hold what was written there last and the number of its row,
counted over all images (modulo a multiple of both the image's and the ring's rows). What a tile point should
read comes from the definition, ``x[c, s*(ty*Vy + i) + a - top, s*(tx*Vx + j) + b - left]``, not from the
buffer's address arithmetic.
"""

from math import lcm
from typing import Any

from amaranth.hdl import Array, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.image_buffer import ImageBuffer
from fermatnet.synth.proofs.invariants import Harness, all_bits, follows, implies, in_range, linear

__all__ = ["EarlyTiles", "ImageRing", "StuckPointer", "TooReady", "Unwaiting"]


class ImageRing(Harness):
    """An image buffer, an arbitrary word of its ring, and the definition of its tiles."""

    rigid = ("slot", "beat")
    claims = (
        ("words in come once and in order, each to its place", "order_in", 1),
        ("no word is written that is still to be read", "spares", 0),
        ("a tile starts only where it may", "starts", 0),
        ("a tile's points have no gap", "whole", 0),
        ("points of all tiles come once and in order", "order_out", 1),
        ("each point is the pixel of its place in its image, or zero outside", "reads", 5),
    )

    covers = (
        ("a point is the followed word", "reading", 5),
        ("a point lies outside", "outside", 5),
        ("the followed word is written", "writing", 0),
    )

    def __init__(self, design: ImageBuffer) -> None:
        self.design, g = design, design.geometry
        self.row_beats = g.width * design.channels // design.lanes
        lanes = data.ArrayLayout(design.shape, design.lanes)
        super().__init__(
            {
                "i": In(stream.Signature(lanes)),
                "go": In(1),
                "start": Out(1),
                "valid": Out(1),
                "point": Out(design.shape),
                "slot": In(range(max(2, design.rows))),
                "beat": In(range(max(2, self.row_beats))),
            }
        )

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, g, rows, row_beats = self.design, self.design.geometry, self.design.rows, self.row_beats
        m.submodules.images = design.elaborate(platform)
        m.d.comb += [
            design.i.payload.eq(self.i.payload),
            design.i.valid.eq(self.i.valid),
            self.i.ready.eq(design.i.ready),
            design.go.eq(self.go),
            self.start.eq(design.start),
            self.valid.eq(design.valid),
            self.point.eq(design.point),
        ]
        state, put = design.reading, design.filling["port"]
        probe = design.ring.read_port(domain="comb")
        address = self.slot * row_beats + self.beat
        m.d.comb += probe.addr.eq(address)
        # ghosts: number of the first row kept, counted over all images; the followed word and the number of
        # its row
        period = 2 * lcm(g.height, rows)
        base, number, word = (
            Signal(range(period), name="base"),
            Signal(range(period), name="number"),
            Signal(len(put.data.as_value()), name="word"),
        )
        with m.If(state["freed"]):
            m.d.sync += base.eq((base + state["released"]) % period)
        kept, beat, band, counters = state["kept"], design.filling["beat"], state["band"], state["counters"]
        coming = (base + kept) % period
        here = put.en & (put.addr == address)
        with m.If(here):
            m.d.sync += [number.eq(coming), word.eq(put.data)]
        ahead = Mux(self.slot >= state["base"], self.slot - state["base"], self.slot + rows - state["base"])
        held = (ahead < kept) | ((ahead == kept) & (self.beat < beat))
        inside_tile = linear(counters, 1)
        invariant = all_bits(
            beat < row_beats,
            put.addr == coming % rows * row_beats + beat,
            kept <= rows,
            implies(kept == rows, beat == 0),
            band < design.plan.tiles[0],
            state["base"] == base % rows,
            base < period,
            in_range(counters),
            base % g.height == Array(first % g.height for first in design.first)[band],
            state["running"] == (inside_tile != 0),
            implies(linear(counters) != 0, kept >= Array(design.need)[band]),
            implies(
                held, (number == (base + ahead)[: len(base) + 1] % period) & (Value.cast(probe.data) == word)
            ),
        )
        step, total = state["step"], design.plan.tiles[0] * design.plan.tiles[1] * design.frame
        place = band * (design.plan.tiles[1] * design.frame) + linear(counters)
        return {
            "invariant": invariant,
            "assumed": all_bits(self.slot < rows, self.beat < row_beats),
            "order_in": follows(coming * row_beats + beat, put.en, period * row_beats, "accepted", m),
            "spares": implies(here, (ahead == kept) & (self.beat == beat))
            & (put.en == (self.i.valid & self.i.ready)),
            "starts": (self.start == (step & (inside_tile == 0))) & implies(self.start, self.go),
            "whole": implies(inside_tile != 0, step),
            "order_out": follows(place, step, total, "place", m),
            "writing": here,
            **self._reads(m, base, number, word),
        }

    def _reads(self, m: Module, base: Any, number: Any, word: Any) -> dict[str, Any]:
        """Five edges after a step: whether the point is the definition's."""
        design, g, plan, state = self.design, self.design.geometry, self.design.plan, self.design.reading
        tile_x, channel, phase, i, j = state["counters"].values
        rows_of, columns_of = Array(a for a, _ in design.phases), Array(b for _, b in design.phases)
        row = g.stride[0] * (state["band"] * plan.tile[0] + i) + rows_of[phase] - g.pad[0]
        column = g.stride[1] * (tile_x * plan.tile[1] + j) + columns_of[phase] - g.pad[1]
        inside = (row >= 0) & (row < g.height) & (column >= 0) & (column < g.width)
        period = 2 * lcm(g.height, design.rows)
        wanted = (base + row - Array(design.first)[state["band"]] + period)[: len(base) + 2] % period
        lane, beat = (
            Array(c % design.lanes for c in range(design.channels)),
            Array(c // design.lanes for c in range(design.channels)),
        )
        mine = (
            state["step"]
            & inside
            & (wanted % design.rows == self.slot)
            & (column * (design.channels // design.lanes) + beat[channel] == self.beat)
        )
        line: Any = [state["step"], inside, mine, wanted, lane[channel], Value.cast(0)[0], word]
        for edge in range(1, 6):
            if edge == 4:  # the third edge's address is being read: is this the row, and what is its word?
                line[5], line[6] = line[3] == number, word
            later = [
                Signal(Shape.cast(Value.cast(v).shape()), name=f"line{edge}_{k}", reset_less=True)
                for k, v in enumerate(line)
            ]
            m.d.sync += [register.eq(value) for register, value in zip(later, line, strict=True)]
            line = later
        stepped, inside, mine, _, lane, right, held = line
        lanes = data.View(data.ArrayLayout(design.shape, design.lanes), held)
        right = all_bits(
            self.valid == stepped,
            implies(stepped & ~inside, self.point == 0),
            implies(mine, right & (self.point == lanes[lane])),
        )
        return {"reads": right, "reading": mine & stepped, "outside": stepped & ~inside}


class TooReady(ImageBuffer):
    """Takes beats when the ring is full."""

    def _fill(self, m, port, kept, row_beats):
        done = super()._fill(m, port, kept, row_beats)
        m.d.comb += self.i.ready.eq(1)
        return done


class StuckPointer(ImageBuffer):
    """Writes every word to one place."""

    def _fill(self, m, port, kept, row_beats):
        done = super()._fill(m, port, kept, row_beats)
        m.d.sync += port.addr.eq(port.addr)
        return done


class EarlyTiles(ImageBuffer):
    """Reads a band's tiles a row too early."""

    def elaborate(self, platform):
        self.need = [max(0, rows - 1) for rows in self.need]
        return super().elaborate(platform)


class Unwaiting(ImageBuffer):
    """Takes beats at once after a band's rows were given back, though its last points are still being
    read."""

    def elaborate(self, platform):
        self.waits = False
        return super().elaborate(platform)
