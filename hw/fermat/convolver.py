"""The streaming Fermat convolution engine: raster stream in, exact accumulators out in raster order."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.convolver_plan import ConvolverPlan
from fermatnet.hw.fermat.counters import Counters
from fermatnet.hw.fermat.delay import Delay
from fermatnet.hw.fermat.image_buffer import ImageBuffer
from fermatnet.hw.fermat.modulus_path import ModulusPath
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.raster_buffer import RasterBuffer
from fermatnet.hw.fermat.residue import Reconstruct
from fermatnet.hw.fermat.serial_transform import FlagDelay
from fermatnet.hw.fermat.weight_source import ComputedWeights, StoredWeights, WeightReader

__all__ = ["Convolver"]


class Convolver(ConvolverPlan, wiring.Component):
    """Convolution (cross-correlation) of a stream of images by Fermat number transforms, exact.

    ::

        i -> ImageBuffer -+-> ModulusPath 2^b0+1 -+-> Reconstruct -> RasterBuffer -> o
             (row ring,   +-> ModulusPath 2^b1+1 -+   (mixed radix)  (two bands)
              tiles)      +-> ...

    Overlap-save tiles of Ny x Nx points; strides by polyphase; accumulation over input channels in the
    transform domain. A tile costs (O/g/products) * C * phases * Ny * Nx cycles; everything else runs beside
    it. Never refuses or loses a beat because of stalls at either end: the parts hand each other whole
    memories (tiles of spectra, jobs of sums, bands of rows), as few of each as keep the pace.

    Latency: ``latency`` cycles from the first input beat accepted to the first output beat valid, unstalled.
    Throughput:
    one image every ``cycles`` cycles, unstalled, in the steady state. Both are exact.

    Parameters are those of `fermatnet.hw.fermat.convolver_plan.ConvolverPlan`.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(range_shape(lo, hi), lanes_in)))
    o : Out(stream.Signature(ArrayLayout(signed(bits), lanes_out)))
        ``bits`` hold the true range of the outputs.

    Raises InputError if parameters do not fit each other, or the plan does not hold the outputs.
    """

    def __init__(self, *args, **options):
        ConvolverPlan.__init__(self, *args, **options)
        banks = self.spectra_banks, self.sums_banks
        self.images = self.image_buffer(ImageBuffer, self.timing.ring)
        self.reader = None if self.reader is None else self.weight_reader(WeightReader)
        self.paths = [
            self.modulus_path(b, ModulusPath, self.weight_source(b, StoredWeights, ComputedWeights), banks)
            for b in self.plan.widths
        ]
        self.reconstructs = [self.reconstruct(Reconstruct) for _ in self.reconstructs]
        self.raster = self.raster_buffer(RasterBuffer, self.timing.band_banks)
        wiring.Component.__init__(
            self,
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, self.lanes_in))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(self.bits), self.lanes_out))),
            },
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.images, m.submodules.raster = images, raster = self.images, self.raster
        wiring.connect(m, wiring.flipped(self.i), images.i)
        wiring.connect(m, raster.o, wiring.flipped(self.o))
        for b, path in zip(self.plan.widths, self.paths, strict=True):
            m.submodules[f"path{b}"] = path
            m.d.comb += [path.valid.eq(images.valid), path.point.eq(images.point)]
        self._control(m, images, raster)
        self._collect(m, raster)
        return m

    def _control(self, m, images, raster):
        """Starts jobs when what they read is there, or comes as fast as they read, and what they write is
        free, or becomes so as fast as they write."""
        paths = self.paths
        begun = max(paths, key=lambda p: p.begun_after).spectra_begun
        sums = max(paths, key=lambda p: p.sums_after).sums_full
        # the tile that the last job still reads, and one that is written behind it
        spectra_taken, spectra_ready = (Signal(range(self.spectra_banks + more)) for more in (1, 2))
        sums_taken, sums_ready = (Signal(range(self.sums_banks + 1)) for _ in range(2))
        product = Counters(m, [self.jobs, paths[0].job])
        inverse = Counters(m, [self.plan.tiles[1] * self.jobs, paths[0].kept * paths[0].points])
        self.running = []
        self.state = {
            "spectra": (spectra_taken, spectra_ready),
            "sums": (sums_taken, sums_ready),
            "product": product,
            "inverse": inverse,
        }
        step, first = self._job(m, (spectra_ready != 0) & (sums_taken != self.sums_banks), product)
        m.submodules.released = released = FlagDelay(self.released_after)
        m.d.comb += released.i.eq(first & (product.values[0] == self.jobs - 1))
        new_band = inverse.values[0] == 0
        drain, draining = self._job(m, (sums_ready != 0) & (~new_band | raster.room), inverse)
        m.d.comb += [
            images.go.eq(spectra_taken != self.spectra_banks),
            raster.reserve.eq(draining & new_band),
        ]
        m.d.sync += [
            spectra_taken.eq(spectra_taken + images.start - released.o),
            spectra_ready.eq(spectra_ready + begun - (step & product.wrapped())),
            sums_taken.eq(sums_taken + first - (drain & inverse.wrapped(1))),
            sums_ready.eq(sums_ready + sums - (drain & inverse.wrapped(1))),
        ]
        for path in paths:
            m.d.comb += [path.step.eq(step), path.drain.eq(drain)]
        if self.reader is not None:
            m.submodules.reader = self.reader
            m.d.comb += [self.reader.step.eq(step), *(path.weights.eq(self.reader.o) for path in paths)]

    def _job(self, m, may_start, counters):
        """A run of steps, one a cycle once started; returns (step, first step)."""
        running, step, first = Signal(), Signal(), Signal()
        self.running.append(running)
        m.d.comb += [first.eq(may_start & ~running), step.eq(running | first)]
        with m.If(step):
            m.d.sync += running.eq(~counters.wrapped(1))
        counters.step(step)
        return step, first

    def _collect(self, m, raster):
        """Brings the moduli's results to one time, reconstructs, and stores."""
        rec = self.reconstructs
        m.submodules.valid = valid = FlagDelay(self.out_after - self.paths[0].out_after + rec[0].latency)
        m.d.comb += [valid.i.eq(self.paths[0].o_valid), raster.valid.eq(valid.o)]
        for k, block in enumerate(rec):
            m.submodules[f"reconstruct{k}"] = block
            for index, (b, path) in enumerate(zip(self.plan.widths, self.paths, strict=True)):
                m.submodules[f"align{k}_{b}"] = align = Delay(Number(b), self.out_after - path.out_after)
                m.d.comb += [align.i.eq(path.o[k]), getattr(block, f"i{index}").eq(align.o)]
            m.d.comb += raster.points[k].eq(block.o)
