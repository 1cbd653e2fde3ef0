"""Proofs of the convolver's output: every point of a tile that lies in the image leaves once, at its place in
raster order.

An arbitrary point is followed: place in a tile, tile, frame, source and bank, chosen once. Ghosts hold its
value and its band. What beat and lane it must leave in comes from the raster order of (row, column, channel),
not from the buffer's addresses.
"""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.raster_buffer import RasterBuffer
from fermatnet.synth.proofs.invariants import Harness, all_bits, follows, implies, in_range, length, linear

__all__ = ["CrossedLanes", "Doubling", "EarlyBand", "Overbooked", "RasterBands"]


class RasterBands(Harness):
    """A raster buffer and an arbitrary point of its tiles."""

    depth = 3  # a point takes two edges to its memory
    rigid = ("bank", "tile_x", "frame", "i", "j", "source")
    claims = (
        ("a band is granted only where a bank is free", "grants", 0),
        ("points in are counted once and in order", "order_in", 1),
        ("beats are read once and in raster order, from full bands only", "order_out", 1),
        ("one beat given for each read, none twice", "gives", 1),
        ("a waiting beat keeps its payload", "stays", 1),
        ("each point leaves in the beat and lane of its place", "leaves", 1),
    )

    covers = (
        ("the followed point leaves", "leaving", 1),
        ("all banks are taken while a point comes in", "loaded", 0),
    )

    def __init__(self, design: RasterBuffer) -> None:
        self.design = design
        sizes = {
            "bank": design.banks,
            "tile_x": design.plan.tiles[1],
            "frame": design.frames,
            "i": design.plan.lengths[0],
            "j": design.plan.lengths[1],
            "source": design.sources,
        }
        self.sizes = sizes
        super().__init__(
            {
                "valid": In(1),
                "points": In(data.ArrayLayout(design.shape, design.sources)),
                "room": Out(1),
                "reserve": In(1),
                "o": Out(stream.Signature(data.ArrayLayout(design.shape, design.lanes))),
                **{name: In(range(max(2, size))) for name, size in sizes.items()},
            }
        )

    def build(self, m: Module, platform: Any) -> dict[str, Any]:
        design, g, plan = self.design, self.design.geometry, self.design.plan
        m.submodules.raster = design.elaborate(platform)
        m.d.comb += [
            design.valid.eq(self.valid),
            design.points.eq(self.points),
            design.reserve.eq(self.reserve),
            self.room.eq(design.room),
            self.o.payload.eq(design.o.payload),
            self.o.valid.eq(design.o.valid),
            design.o.ready.eq(self.o.ready),
        ]
        write, read, reserved = design.writing, design.reading, design.granting["reserved"]
        bands, banks, counters, issue = plan.tiles[0], design.banks, write["counters"], read["issue"]
        full = read["waiting"] + write["done"][0] + write["done"][1]
        place = [self.bank, self.tile_x, self.frame, self.i, self.j]
        column = self.tile_x * plan.tile[1] + self.j
        pending, word, tag = self._follow(m, counters, place, write["band"])
        stored = self._stored(m, (self.i * g.out[1] + column) * design.words)

        def lies_in(band: Any) -> Any:
            return band * plan.tile[0] + self.i < g.out[0]

        distance = Mux(self.bank >= read["bank"], self.bank - read["bank"], self.bank + banks - read["bank"])
        its_band = (read["band"] + distance) % bands
        after = linear(counters, 1) > self._place()
        there = (distance < full) | ((distance == full) & after)
        limit = Mux(read["band"] == bands - 1, design.last_words, design.band_words)
        invariant = all_bits(
            reserved <= banks,
            full <= reserved,
            in_range(counters),
            write["band"] < bands,
            read["band"] < bands,
            read["bank"] < banks,
            counters.values[0] == (read["bank"] + full) % banks,
            write["band"] == (read["band"] + full) % bands,
            read["word"] < limit,
            read["part"] < design.beats_per_word,
            implies(linear(counters, 1) != 0, reserved > full),
            implies(distance < read["waiting"], ~pending),
            implies(there & lies_in(its_band), (tag == its_band) & (pending | (stored == word))),
        )
        in_tile = all_bits(self.i < plan.tile[0], self.j < plan.tile[1], column < g.out[1])
        places = all_bits(*(getattr(self, name) < size for name, size in self.sizes.items()))
        frame_points = bands * length(counters, 1)
        beat = read["word"] * design.beats_per_word + read["part"]
        expected = Signal(name="given", reset_less=True)
        m.d.sync += expected.eq(issue | (self.o.valid & ~self.o.ready))
        place_out = read["band"] * (design.band_words * design.beats_per_word) + beat
        return {
            "invariant": invariant,
            "assumed": all_bits(in_tile, places, implies(self.valid, reserved > full)),
            "grants": self.room == (reserved < banks),
            "order_in": follows(
                write["band"] * length(counters, 1) + linear(counters, 1),
                self.valid,
                frame_points,
                "taken",
                m,
            ),
            "order_out": follows(place_out, issue, sum(design.band_beats), "sent", m)
            & implies(issue, read["waiting"] != 0),
            "gives": self.o.valid == expected,
            "stays": self._stays(m),
            "loaded": (reserved == banks) & self.valid,
            **self._leaves(m, column, beat, word, tag, lies_in(read["band"])),
        }

    def _place(self) -> Any:
        """Position of the followed point among the points of a band."""
        rows, columns = self.design.plan.lengths
        return ((self.tile_x * self.design.frames + self.frame) * rows + self.i) * columns + self.j

    def _follow(self, m: Module, counters: Any, place: list[Any], band: Any) -> tuple[Any, ...]:
        """Ghosts: the followed point's whether it is still on its way to memory; its value and band."""
        word, tag = (
            Signal(len(Value.cast(self.points[0])), name="value"),
            Signal(range(max(2, self.design.plan.tiles[0])), name="tag"),
        )
        here, line = Signal(), Signal(2, name="line")
        m.d.comb += here.eq(
            self.valid & all_bits(*(value == at for value, at in zip(counters.values, place, strict=True)))
        )
        m.d.sync += line.eq((line << 1) | here)
        with m.If(here):
            m.d.sync += [
                word.eq(Array(Value.cast(point).as_unsigned() for point in self.points)[self.source]),
                tag.eq(band),
            ]
        return line.any(), word, tag

    def _stored(self, m: Module, pixel: Any) -> Any:
        """What the memory holds at the followed point's place."""
        design, elements = self.design, []
        for bank in design.memories:
            probe = bank.read_port(domain="comb")
            m.d.comb += probe.addr.eq(pixel + self.frame // design.elements + self.bank * design.band_words)
            elements.append(
                Array(Value.cast(element).as_unsigned() for element in probe.data)[
                    self.frame % design.elements
                ]
            )
        return Array(elements)[self.source]

    def _stays(self, m: Module) -> Any:
        payload = Value.cast(self.o.payload)
        waited, offered = (
            Signal(name="waited", reset_less=True),
            Signal(len(payload), name="offered", reset_less=True),
        )
        m.d.sync += [waited.eq(self.o.valid & ~self.o.ready), offered.eq(payload)]
        return implies(waited, self.o.valid & (payload == offered))

    def _leaves(self, m: Module, column: Any, beat: Any, word: Any, tag: Any, lies_in: Any) -> dict[str, Any]:
        """An edge after a read: whether the followed point's beat carries it, in its lane."""
        design, read = self.design, self.design.reading
        element = (
            (self.i * design.geometry.out[1] + column) * design.channels
            + self.frame * design.sources
            + self.source
        )
        mine, right, held = (
            Signal(reset_less=True),
            Signal(reset_less=True),
            Signal.like(word, reset_less=True),
        )
        m.d.sync += [
            mine.eq(read["issue"] & (read["bank"] == self.bank) & (beat == element // design.lanes)),
            right.eq((tag == read["band"]) & lies_in), held.eq(word),
        ]  # fmt: skip
        lane = Array(Value.cast(value).as_unsigned() for value in self.o.payload)[element % design.lanes]
        return {"leaves": implies(mine, all_bits(self.o.valid, right, lane == held)), "leaving": mine}


class Overbooked(RasterBuffer):
    """Grants a band where there is no room."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.room.eq(1)
        return m


class EarlyBand(RasterBuffer):
    """Says that a band is full while its last points are on their way to memory."""

    def _write(self, m, ports, full):
        super()._write(m, ports, full)
        m.d.comb += full.eq(self.writing["band_done"])


class CrossedLanes(RasterBuffer):
    """Sends the last lane's value in the first."""

    def _read(self, m, ports, full, drained):
        super()._read(m, ports, full, drained)
        m.d.comb += self.o.payload[0].eq(self.o.payload[self.lanes - 1])


class Doubling(RasterBuffer):
    """Offers its last beat once more."""

    def _read(self, m, ports, full, drained):
        super()._read(m, ports, full, drained)
        with m.If(self.o.ready & (self.reading["waiting"] == 0)):
            m.d.sync += self.o.valid.eq(self.o.valid)
