"""The streaming Fermat convolution engine: raster stream in, exact accumulators out in raster order."""

from math import ceil

import numpy as np
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.counters import Counters
from fermatnet.hw.fermat.delay import Delay
from fermatnet.hw.fermat.image_buffer import ImageBuffer
from fermatnet.hw.fermat.modulus_path import ModulusPath
from fermatnet.hw.fermat.number import Number
from fermatnet.hw.fermat.raster_buffer import RasterBuffer
from fermatnet.hw.fermat.residue import Reconstruct
from fermatnet.hw.fermat.schedule import Timing, steady
from fermatnet.hw.fermat.serial_transform import FlagDelay
from fermatnet.hw.fermat.weight_source import ComputedWeights, StoredWeights, WeightReader
from fermatnet.hw.rtl.words import range_shape
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.bound import output_range
from fermatnet.model.fermat.plan import Geometry, Plan, choose, phases
from fermatnet.model.fermat.transform import root_of_order

__all__ = ["Convolver", "inverse_count", "products_allowed"]


def inverse_count(products: int, channels: int, lanes_out: int) -> int:
    """Fewest parallel inverse transforms that keep up with ``products`` sums every ``channels`` tiles; 0 if
    none fits the lanes."""
    for count in range(1, products + 1):
        if (
            products % count == 0
            and count * channels >= products
            and (lanes_out % count == 0 or count % lanes_out == 0)
        ):
            return count
    return 0


def products_allowed(outputs: int, group: int, channels: int, lanes_out: int) -> list[int]:
    """Every number of parallel products that an engine with these outputs, input channels (after phases, of
    one group) and lanes takes."""
    per = outputs // group
    return [p for p in range(1, per + 1) if per % p == 0 and inverse_count(p, channels, lanes_out)]


class Convolver(wiring.Component):
    """Convolution (cross-correlation) of a stream of images by Fermat number transforms, exact.

    ::

        i -> ImageBuffer -+-> ModulusPath 2^b0+1 -+-> Reconstruct -> RasterBuffer -> o
             (row ring,   +-> ModulusPath 2^b1+1 -+   (mixed radix)  (two bands)
              tiles)      +-> ...

    Overlap-save tiles of Ny x Nx points; strides by polyphase; accumulation over input channels in the
    transform domain. A tile costs (O/g/products) * C * phases * Ny * Nx cycles; everything else runs beside
    it. Never refuses or loses a beat because of stalls at either end: the parts hand each other whole
    memories (tiles of spectra, jobs of sums, bands of rows; at least two of each).

    Latency: ``latency`` cycles from the first input beat accepted to the first output beat valid, unstalled.
    Throughput:
    one image every ``cycles`` cycles, unstalled, in the steady state. Both are exact.

    Parameters
    ----------
    weight : int array (O, I/group, kh, kw)
    lo, hi : int
        Range of the input elements.
    height, width : int
        Of the input image.
    stride : (int, int)
    pad : (top, left, bottom, right)
    dilation : (int, int)
    group : int
    plan : Plan or None
        From `fermatnet.model.fermat.plan.choose` for this layer; None: chosen here.
    lanes_in, lanes_out : int
        Channels a beat; must divide I and O.
    products : int
        Kernels multiplied at once, P: divides O/group. Costs P products of each modulus.
    name : str
        Stem of the memory files.
    product_form : "schoolbook" or "karatsuba"
        Of the multipliers (32 bits: 4 or 3 DSP blocks).

    Members
    -------
    i : In(stream.Signature(ArrayLayout(range_shape(lo, hi), lanes_in)))
    o : Out(stream.Signature(ArrayLayout(signed(bits), lanes_out)))
        ``bits`` hold the true range of the outputs.

    Raises InputError if parameters do not fit each other, or the plan does not hold the outputs.
    """

    _MustUse__silence = True  # may be made only to be asked for its cycles

    def __init__(
        self,
        weight: np.ndarray,
        lo: int,
        hi: int,
        height: int,
        width: int,
        *,
        stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilation: tuple[int, int] = (1, 1),
        group: int = 1,
        plan: Plan | None = None,
        lanes_in: int = 1,
        lanes_out: int = 1,
        products: int = 1,
        name: str = "convolver",
        product_form: str = "schoolbook",
        adder_latency: int = 2,
    ):
        weight = np.asarray(weight, np.int64)
        low, high = output_range(weight, lo, hi, group)
        self.outputs, self.channels = weight.shape[0], weight.shape[1] * group
        self.geometry = Geometry(height, width, weight.shape[2:], stride, pad, dilation)
        self.plan = plan or choose(
            weight, lo, hi, stride, pad, dilation, group, height, width, products=products
        )
        self.weight, self.lo, self.hi, self.height, self.width, self.group = (
            weight,
            lo,
            hi,
            height,
            width,
            group,
        )
        self.stride, self.pad, self.dilation = tuple(stride), tuple(pad), tuple(dilation)
        self.lanes_in, self.lanes_out, self.products, self.name = lanes_in, lanes_out, products, name
        self._check(low, high)
        self.shape = range_shape(lo, hi)
        planes = self.channels * len(phases(self.geometry))
        self.inverses = inverse_count(products, planes // group, lanes_out)
        if not self.inverses:
            raise InputError(
                f"{products} products and {lanes_out} output lanes do not go together; products "
                f"{products_allowed(self.outputs, group, planes // group, lanes_out)} do"
            )
        self.images = ImageBuffer(self.shape, self.channels, self.geometry, self.plan, lanes_in)
        self.reader = (
            None
            if self.plan.spectra == "stored"
            else WeightReader(weight, self.geometry, self.plan, products, name)
        )
        self.paths = [
            ModulusPath(
                b,
                self.shape,
                self.plan.lengths,
                planes,
                group,
                self.outputs,
                StoredWeights(b, weight, self.geometry, self.plan, products, name)
                if self.reader is None
                else ComputedWeights(
                    b, self.reader.bits, self.plan.lengths, products, adder_latency=adder_latency
                ),
                self.inverses,
                adder_latency=adder_latency,
                product_form=product_form,
            )
            for b in self.plan.widths
        ]
        self.reconstructs = [Reconstruct(self.plan.widths, low, high) for _ in range(self.inverses)]
        self.bits = self.reconstructs[0].bits
        self.jobs = self.outputs // products
        self.out_after = max(path.out_after for path in self.paths)
        self.spectra_banks, self.sums_banks, self.band_banks = self._banks()
        self.raster = RasterBuffer(
            signed(self.bits),
            self.outputs,
            self.geometry,
            self.plan,
            self.inverses,
            lanes_out,
            banks=self.band_banks,
        )
        for path in self.paths:
            path.set_banks(self.spectra_banks, self.sums_banks)
        self.timing = self._timing()
        self.latency, self.cycles = steady(self.timing)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(self.shape, lanes_in))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(self.bits), lanes_out))),
            }
        )

    def _check(self, low: int, high: int) -> None:
        plan, expected = (
            self.plan,
            tuple(-(-o // v) for o, v in zip(self.geometry.out, self.plan.tile, strict=True)),
        )
        if (
            plan.kernel != self.geometry.phase_kernel
            or plan.tiles != expected
            or plan.phases != len(phases(self.geometry))
        ):
            raise InputError(
                f"the plan was made for another layer: kernel {plan.kernel}, tiles {plan.tiles}, phases "
                f"{plan.phases}"
            )
        if min(plan.lengths) < 4 or any(n < k for n, k in zip(plan.lengths, plan.kernel, strict=True)):
            raise InputError(
                f"transforms of {plan.lengths} points do not hold a kernel of {plan.kernel} taps: at least "
                "4 and the kernel"
            )
        if high - low >= plan.modulus:
            raise InputError(
                f"outputs in [{low}, {high}] exceed the {plan.modulus} values of the plan's moduli "
                f"{plan.widths}"
            )
        for b in plan.widths:
            for n in plan.lengths:
                root_of_order(b, n)
        for what, value, total in (
            ("lanes_in", self.lanes_in, self.channels),
            ("lanes_out", self.lanes_out, self.outputs),
            ("products", self.products, self.outputs // self.group),
        ):
            if not isinstance(value, int) or value < 1 or total % value:
                raise InputError(f"{what} must divide {total}, not {value!r}")

    def _banks(self) -> tuple[int, int, int]:
        """Tiles of spectra, jobs of sums and bands of rows to hold so that products hardly ever wait: time
        held over time between two."""
        path, plan = self.paths[0], self.plan
        period, drain = self.jobs * path.job, path.kept * path.points
        tile = (
            ImageBuffer.DELAY
            + max(p.full_after for p in self.paths)
            + 1
            + period
            - path.job
            + max(p.done_after for p in self.paths)
            + 1
        )
        sums = max(p.sums_after for p in self.paths) + 1 + drain
        beats = (
            min(plan.tile[0], self.geometry.out[0]) * self.geometry.out[1] * self.outputs // self.lanes_out
        )
        band_period = max(plan.tiles[1] * period, beats)
        band = (
            (plan.tiles[1] * self.jobs - 1) * path.job
            + drain
            + self.out_after
            + self.reconstructs[0].latency
            + 3
            + beats
        )
        # a tenth of a large bank is not worth another one
        return (
            max(2, ceil(tile / period - 0.1)),
            max(2, ceil(sums / path.job)),
            max(2, ceil(band / band_period - 0.1)),
        )

    def _timing(self) -> Timing:
        images, path = self.images, self.paths[0]
        return Timing(
            row_beats=self.width * self.channels // self.lanes_in,
            rows=self.height,
            ring=images.rows,
            need=images.need,
            free=images.free,
            tiles=self.plan.tiles[1],
            frame=images.frame,
            jobs=self.jobs,
            job=path.job,
            drain=path.kept * path.points,
            band_beats=self.raster.band_beats,
            spectra_banks=self.spectra_banks,
            sums_banks=self.sums_banks,
            band_banks=self.band_banks,
            point=ImageBuffer.DELAY,
            full=max(p.full_after for p in self.paths),
            done=max(p.done_after for p in self.paths),
            sums=max(p.sums_after for p in self.paths),
            result=self.out_after + self.reconstructs[0].latency,
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
        """Starts jobs when the memories they read are full and those they write are free."""
        paths = self.paths
        full = max(paths, key=lambda p: p.full_after).spectra_full
        done = max(paths, key=lambda p: p.done_after).spectra_done
        sums = max(paths, key=lambda p: p.sums_after).sums_full
        spectra_taken, spectra_ready = (Signal(range(self.spectra_banks + 1)) for _ in range(2))
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
        new_band = inverse.values[0] == 0
        drain, begun = self._job(m, (sums_ready != 0) & (~new_band | raster.room), inverse)
        m.d.comb += [images.go.eq(spectra_taken != self.spectra_banks), raster.reserve.eq(begun & new_band)]
        m.d.sync += [
            spectra_taken.eq(spectra_taken + images.start - done),
            spectra_ready.eq(spectra_ready + full - (step & product.wrapped())),
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
