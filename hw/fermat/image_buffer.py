"""From raster order to tiles: keeps the image rows that overlapping tiles share and reads each tile point by
point."""

from math import prod

from amaranth.hdl import Array, Module, Mux, Shape, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.counters import Counters, split, times, wrap
from fermatnet.model.fermat.plan import Geometry, Plan, phases

__all__ = ["ImageBuffer", "ImageBufferPlan"]


class ImageBufferPlan:
    """Numbers of an `ImageBuffer`: the rows of its ring, and those that each band of
    tiles waits for and gives back."""

    DELAY = 5  # cycles from the start of a tile to its first point

    def __init__(
        self,
        shape: Shape,
        channels: int,
        geometry: Geometry,
        plan: Plan,
        lanes: int,
        *,
        rows: int | None = None,
    ):
        self.shape, self.channels, self.geometry, self.plan, self.lanes = (
            Shape.cast(shape),
            channels,
            geometry,
            plan,
            lanes,
        )
        self.phases = phases(geometry)
        self.frame = channels * len(self.phases) * prod(plan.lengths)
        sy, top, height = geometry.stride[0], geometry.pad[0], geometry.height
        bands = plan.tiles[0]
        origin = [sy * plan.tile[0] * band - top for band in range(bands)]
        # first row each band keeps; rows above the image; rows still to come below its first; rows it has to
        # wait for
        self.first = [min(max(0, row), height) for row in origin]
        self.above = [first - row for first, row in zip(self.first, origin, strict=True)]
        self.below = [height - first for first in self.first]
        last = [min(height, row + sy * plan.lengths[0]) for row in origin]
        last[-1] = height  # rows that no tile reads leave the ring with the last band
        self.need = [max(0, end - first) for end, first in zip(last, self.first, strict=True)]
        self.free = [b - a for a, b in zip(self.first, [*self.first[1:], height], strict=True)]
        # without a number: the next band's rows come in while this one's are read
        self.rows = rows or max(max(self.need) + min(height, sy * plan.tile[0]), max(self.need) + 1)
        # the last line of a tile may lie in the first rows given back with it: images of a row or two under
        # much padding
        bottom = [row + sy * (plan.lengths[0] - 1) + self.phases[-1][0] for row in origin]
        self.waits = any(
            free and first <= end < min(height, first + 2)
            for free, first, end in zip(self.free, self.first, bottom, strict=True)
        )


class ImageBuffer(ImageBufferPlan, wiring.Component):
    """Ring of image rows with a raster stream in and overlap-save tiles out.

    Function: tile (ty, tx) of phase (a, b) and channel c is the Ny x Nx block of
    ``x[c, s*(ty*Vy + i) + a - top, s*(tx*Vx + j) + b - left]``, zeros outside the image. Tiles leave in
    raster order, inside a tile channels ascending, then phases, then rows i, then columns j: one point a
    cycle, a whole tile (``frame`` = C * phases * Ny * Nx points) without a gap, never stalled. A tile starts
    when its rows are there and ``go`` is high.

    Latency: `DELAY` cycles from the start of a tile to its first point. Throughput: one beat in and one point
    out a cycle;
    the ring holds the rows of one band of tiles and those that the next band adds. Where a tile's last line
    lies in the rows that its band gives back first (images of one or two rows under a padding of Ny - 1), no
    beat is taken for two cycles after a band.

    Parameters
    ----------
    shape : Shape
        Of one element.
    channels : int
        C, a multiple of ``lanes``.
    geometry, plan : Geometry, Plan
        The layer and how it is tiled.
    lanes : int
        Channels a beat.
    rows : int or None
        Of the ring, at least those that one band needs; None: those of the next band, too.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(shape, lanes)))
        Pixels in raster order, channels ascending.
    go : In(1)
        The reader of the tiles can take another tile.
    start : Out(1)
        A tile starts in this cycle.
    valid, point : Out(1), Out(shape)
        Points of the tile.
    """

    def __init__(self, *args, **options):
        ImageBufferPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self,
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, self.lanes))),
                "go": In(1),
                "start": Out(1),
                "valid": Out(1),
                "point": Out(self.shape),
            },
        )

    def elaborate(self, platform):
        m = Module()
        row_beats = self.geometry.width * self.channels // self.lanes
        m.submodules.ring = self.ring = ring = memory.Memory(
            shape=data.ArrayLayout(self.shape, self.lanes), depth=self.rows * row_beats, init=[]
        )
        kept, freed, released = Signal(range(self.rows + 1)), Signal(), Signal(range(self.rows + 1))
        row_done = self._fill(m, ring.write_port(), kept, row_beats)
        m.d.sync += kept.eq(kept + row_done - Mux(freed, released, 0))
        self._read(m, ring.read_port(), kept, freed, released, row_beats)
        if self.waits:  # a tile's last points are read up to three cycles after its rows were given back
            late = Signal(2)
            m.d.sync += late.eq((late << 1) | freed)
            m.d.comb += self.i.ready.eq((kept != self.rows) & (late == 0))
        return m

    def _fill(self, m, port, kept, row_beats):
        beat = Signal(range(max(2, row_beats)))
        row_done = Signal()
        m.d.comb += [
            self.i.ready.eq(kept != self.rows),
            port.data.eq(self.i.payload),
            port.en.eq(self.i.valid & self.i.ready),
            row_done.eq(port.en & (beat == row_beats - 1)),
        ]
        self.filling = {"beat": beat, "port": port, "row_done": row_done}
        with m.If(port.en):
            m.d.sync += beat.eq(Mux(row_done, 0, beat + 1))
            m.d.sync += port.addr.eq(Mux(port.addr == self.rows * row_beats - 1, 0, port.addr + 1))
        return row_done

    def _read(self, m, port, kept, freed, released, row_beats):
        band, running, counters, step, base_slot = self._control(m, kept, freed, released)
        self.reading = {
            "band": band,
            "running": running,
            "counters": counters,
            "step": step,
            "base": base_slot,
            "kept": kept,
            "freed": freed,
            "released": released,
            "port": port,
        }
        self._fetch(m, port, row_beats, *self._coordinates(m, band, counters, step, base_slot))

    def _control(self, m, kept, freed, released):
        """Counts bands, tiles and the points of a tile; starts a tile when its rows are there and gives rows
        back after the last one of a band."""
        plan = self.plan
        band, running = Signal(range(max(2, plan.tiles[0]))), Signal()
        counters = Counters(m, [plan.tiles[1], self.channels, len(self.phases), *plan.lengths])
        tile_x = counters.values[0]
        last_point = counters.wrapped(1)
        can_start = Signal()
        step = Signal()
        m.d.comb += [
            can_start.eq(self.go & ((kept >= Array(self.need)[band]) | (tile_x != 0))),
            self.start.eq(can_start & ~running),
            step.eq(running | self.start),
        ]
        counters.step(step)
        with m.If(step):
            m.d.sync += running.eq(~last_point)
        base_slot = Signal(range(self.rows))
        m.d.comb += [
            freed.eq(step & last_point & (tile_x == plan.tiles[1] - 1)),
            released.eq(Array(self.free)[band]),
        ]
        with m.If(freed):
            m.d.sync += [
                band.eq(Mux(band == plan.tiles[0] - 1, 0, band + 1)),
                base_slot.eq(wrap(base_slot + released, self.rows)),
            ]
        return band, running, counters, step, base_slot

    def _coordinates(self, m, band, counters, step, base_slot):
        """Stage 1: row and column of the point against the first row kept, rows below that, its slot, word
        and lane of the channel."""
        g, plan = self.geometry, self.plan
        tile_x, channel, phase, i, j = counters.values
        sy, sx = g.stride
        offset, column = (
            Signal(range(-max(self.above), sy * plan.lengths[0])),
            Signal(range(-g.pad[1], sx * (plan.tile[1] * plan.tiles[1] + plan.lengths[1]) + 1)),
        )
        lane, word, below, slot0, live1 = (
            Signal(range(max(2, self.lanes))),
            Signal(range(max(2, self.channels // self.lanes))),
            Signal(range(g.height + 1)),
            Signal(range(self.rows)),
            Signal(),
        )
        rows_of, columns_of = Array(a for a, _ in self.phases), Array(b for _, b in self.phases)
        m.d.sync += [
            live1.eq(step),
            offset.eq(times(i, sy) + rows_of[phase] - Array(self.above)[band]),
            column.eq(times(j, sx) + columns_of[phase] + times(tile_x, sx * plan.tile[1]) - g.pad[1]),
            below.eq(Array(self.below)[band]),
            slot0.eq(base_slot),
        ]
        split(m.d.sync, channel, self.lanes, word, lane, self.channels)
        return offset, column, below, slot0, word, lane, live1

    def _fetch(self, m, port, row_beats, offset, column, below, slot0, word, lane, live1):
        """Stages 2 to 5: slot in the ring, address, memory, lane; zero outside the image."""
        g = self.geometry
        # 2: slot in the ring; 3: address
        slot, inside2, column2, word2, lane2, live2 = (
            Signal(range(self.rows)),
            Signal(),
            Signal(range(max(2, g.width))),
            Signal.like(word),
            Signal.like(lane),
            Signal(),
        )
        m.d.sync += [
            live2.eq(live1),
            word2.eq(word),
            lane2.eq(lane),
            column2.eq(column),
            slot.eq(wrap(slot0 + offset, self.rows)),
            inside2.eq((offset >= 0) & (offset < below) & (column >= 0) & (column < g.width)),
        ]
        inside3, lane3, live3 = Signal(), Signal.like(lane), Signal()
        m.d.sync += [
            live3.eq(live2),
            lane3.eq(lane2),
            inside3.eq(inside2),
            port.addr.eq(times(slot, row_beats) + times(column2, self.channels // self.lanes) + word2),
        ]
        # 4: memory; 5: lane
        inside4, lane4, live4 = Signal(), Signal.like(lane), Signal()
        m.d.comb += port.en.eq(live3)
        m.d.sync += [live4.eq(live3), lane4.eq(lane3), inside4.eq(inside3)]
        m.d.sync += [self.valid.eq(live4), self.point.eq(Mux(inside4, port.data[lane4], 0))]
