"""From tiles back to raster order: bands of finished output rows, one filling while another leaves."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.counters import Counters, split, times
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.plan import Geometry, Plan

__all__ = ["RasterBuffer", "RasterBufferPlan"]


class RasterBufferPlan:
    """Numbers of a `RasterBuffer`; InputError where lanes and sources do not go together."""

    def __init__(
        self,
        shape: Shape,
        channels: int,
        geometry: Geometry,
        plan: Plan,
        sources: int,
        lanes: int,
        *,
        banks: int = 2,
    ):
        if channels % lanes or channels % sources:
            raise InputError(
                f"{channels} channels do not split into beats of {lanes} lanes and {sources} sources"
            )
        if lanes % sources and sources % lanes:
            raise InputError(
                f"lanes_out {lanes} and {sources} parallel inverse transforms: one must divide the other"
            )
        self.shape, self.channels, self.geometry, self.plan = Shape.cast(shape), channels, geometry, plan
        self.sources, self.lanes, self.banks = sources, lanes, banks
        self.frames = channels // sources
        self.elements = max(1, lanes // sources)  # of one source in a word
        self.words = self.frames // self.elements  # words a pixel
        self.beats_per_word = max(1, sources // lanes)
        self.band_words = min(plan.tile[0], geometry.out[0]) * geometry.out[1] * self.words
        rows = [min(plan.tile[0], geometry.out[0] - band * plan.tile[0]) for band in range(plan.tiles[0])]
        self.band_beats = [count * geometry.out[1] * channels // lanes for count in rows]
        self.last_words = rows[-1] * geometry.out[1] * self.words


class RasterBuffer(RasterBufferPlan, wiring.Component):
    """Crops tiles, keeps a band of them, and sends it as a raster stream.

    Function: takes frames of Ny x Nx points in raster order, ``channels / sources`` frames a tile, in each
    frame the ``sources`` channels ``frame*sources ...`` side by side; keeps points (i < Vy, j < Vx) that lie
    in the image; when the last tile of a band is in, sends its pixels, channels ascending, ``lanes`` a beat.

    Latency: the last point of a band to its first beat: 2 cycles. Throughput: one point of every source and
    one beat a cycle. A frame may start only when its band was granted: ``reserve`` in a cycle with ``room``
    grants the next band.

    Parameters
    ----------
    shape : Shape
        Of one output.
    channels : int
        O, a multiple of ``lanes`` and of ``sources``.
    geometry, plan : Geometry, Plan
        The layer and how it is tiled.
    sources : int
        Channels that arrive side by side; one of ``lanes`` and ``sources`` divides the other.
    lanes : int
        Channels a beat.
    banks : int
        Bands held at once.

    Members
    -------
    valid, points : In(1), In(ArrayLayout(shape, sources))
        Points, never refused.
    room, reserve : Out(1), In(1)
        A band is free; take it.
    o : Out(stream.Signature(ArrayLayout(shape, lanes)))
        Pixels in raster order.
    """

    def __init__(self, *args, **options):
        RasterBufferPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self,
            {
                "valid": In(1),
                "points": In(data.ArrayLayout(self.shape, self.sources)),
                "room": Out(1),
                "reserve": In(1),
                "o": Out(stream.Signature(data.ArrayLayout(self.shape, self.lanes))),
            },
        )

    def elaborate(self, platform):
        m = Module()
        banks, self.memories = [], []
        for source in range(self.sources):
            bank = memory.Memory(
                shape=data.ArrayLayout(self.shape, self.elements), depth=self.banks * self.band_words, init=[]
            )
            m.submodules[f"bank{source}"] = bank
            self.memories.append(bank)
            banks.append((bank.write_port(granularity=1), bank.read_port()))
        full, drained = Signal(), Signal()
        self._write(m, [write for write, _ in banks], full)
        self._read(m, [read for _, read in banks], full, drained)
        reserved = Signal(range(self.banks + 1))
        self.granting = {"reserved": reserved, "full": full, "drained": drained}
        m.d.comb += self.room.eq(reserved != self.banks)
        m.d.sync += reserved.eq(reserved + (self.reserve & self.room) - drained)
        return m

    def _write(self, m, ports, full):
        g, plan = self.geometry, self.plan
        counters = Counters(m, [self.banks, *plan.tiles[1:], self.frames, *plan.lengths])
        band = Counters(m, [plan.tiles[0]])
        counters.step(self.valid)
        bank, tile_x, frame, i, j = counters.values
        band_done = Signal()
        m.d.comb += band_done.eq(self.valid & counters.wrapped(1))
        band.step(band_done)
        tile_y = band.values[0]
        row, column, word = (
            Signal(range(plan.lengths[0])),
            Signal(range(plan.tiles[1] * plan.tile[1] + plan.lengths[1])),
            Signal(range(max(2, self.words))),
        )
        element = Signal(range(max(2, self.elements)))
        bank1 = Signal.like(bank)
        inside, done1, done2 = Signal(), Signal(), Signal()
        points1, points2 = Signal.like(self.points), Signal.like(self.points)
        self.writing = {"counters": counters, "band": tile_y, "band_done": band_done, "done": (done1, done2)}
        m.d.sync += [
            row.eq(i),
            column.eq(j + times(tile_x, plan.tile[1])),
            bank1.eq(bank),
            done1.eq(band_done),
            points1.eq(self.points),
            inside.eq(
                self.valid
                & (i < plan.tile[0])
                & (j < plan.tile[1])
                & (i + times(tile_y, plan.tile[0]) < g.out[0])
                & (j + times(tile_x, plan.tile[1]) < g.out[1])
            ),
        ]
        split(m.d.sync, frame, self.elements, word, element, self.frames)
        address, enable = Signal(range(self.banks * self.band_words)), Signal(self.elements)
        m.d.sync += [
            address.eq(
                times(row, g.out[1] * self.words)
                + times(column, self.words)
                + word
                + times(bank1, self.band_words)
            ),
            enable.eq(Mux(inside, 1 << element, 0)),
            points2.eq(points1),
            done2.eq(done1),
        ]
        for source, port in enumerate(ports):
            m.d.comb += [port.addr.eq(address), port.en.eq(enable)]
            m.d.comb += [port.data[e].eq(points2[source]) for e in range(self.elements)]
        m.d.comb += full.eq(done2)

    def _read(self, m, ports, full, drained):
        bands = self.plan.tiles[0]
        waiting, band, bank = (
            Signal(range(self.banks + 1)),
            Signal(range(max(2, bands))),
            Signal(range(self.banks)),
        )
        word, part, part1 = (
            Signal(range(max(2, self.band_words))),
            Signal(range(max(2, self.beats_per_word))),
            Signal(range(max(2, self.beats_per_word))),
        )
        issue, last_part, last = Signal(), Signal(), Signal()
        self.reading = {
            "waiting": waiting,
            "band": band,
            "bank": bank,
            "word": word,
            "part": part,
            "issue": issue,
        }
        m.d.comb += [
            issue.eq((waiting != 0) & (~self.o.valid | self.o.ready)),
            last_part.eq(part == self.beats_per_word - 1),
            last.eq(last_part & (word == Mux(band == bands - 1, self.last_words - 1, self.band_words - 1))),
            drained.eq(issue & last),
        ]
        with m.If(issue):
            m.d.sync += [self.o.valid.eq(1), part1.eq(part), part.eq(Mux(last_part, 0, part + 1))]
            with m.If(last):
                m.d.sync += [
                    word.eq(0),
                    bank.eq(Mux(bank == self.banks - 1, 0, bank + 1)),
                    band.eq(Mux(band == bands - 1, 0, band + 1)),
                ]
            with m.Elif(last_part):
                m.d.sync += word.eq(word + 1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        m.d.sync += waiting.eq(waiting + full - drained)
        for port in ports:
            m.d.comb += [port.addr.eq(word + times(bank, self.band_words)), port.en.eq(issue)]
        for lane in range(self.lanes):
            if self.lanes >= self.sources:
                m.d.comb += self.o.payload[lane].eq(ports[lane % self.sources].data[lane // self.sources])
            else:
                with m.Switch(part1):
                    for p in range(self.beats_per_word):
                        with m.Case(p):
                            m.d.comb += self.o.payload[lane].eq(ports[p * self.lanes + lane].data[0])
