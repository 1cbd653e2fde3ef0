# amaranth: UnusedElaboratable=no
"""The streaming Fermat convolution engine before there is hardware: its parts, banks, jobs, latency and
cycles."""

from math import ceil
from typing import Any

import numpy as np
from amaranth.hdl import signed

from fermatnet.hw.fermat.image_buffer import ImageBufferPlan
from fermatnet.hw.fermat.modulus_path import ModulusPathPlan
from fermatnet.hw.fermat.raster_buffer import RasterBufferPlan
from fermatnet.hw.fermat.residue import ReconstructPlan
from fermatnet.hw.fermat.weight_source import ComputedWeightsPlan, StoredWeightsPlan, WeightReaderPlan
from fermatnet.hw.rtl.words import range_shape
from fermatnet.hw.timing.jobs import Timing
from fermatnet.hw.timing.tiles import least_memories, steady
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.bound import output_range
from fermatnet.model.fermat.plan import Geometry, Plan, choose, phases
from fermatnet.model.fermat.transform import root_of_order

__all__ = ["ConvolverPlan", "inverse_count", "products_allowed"]


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


class ConvolverPlan:
    """Numbers of a `fermatnet.hw.fermat.convolver.Convolver`, exact; InputError if parameters do not fit each
    other, or the plan does not hold the outputs.

    Parameters
    ----------
    weight : int array (O, I/group, kh, kw)
    lo, hi : int
        Range of the input elements.
    geometry : Geometry
        Of the layer: image, kernel, stride, padding, dilation.
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
    even : bool
        Neighbours keep an even pace: rows of the next band enter while one is read, and a band leaves slowly
        while the next is made. Without it memories are the least that keep the throughput, and both ends
        move in bursts.

    Attributes
    ----------
    latency, cycles : int
        Cycles from the first beat in to the first one out, unstalled; cycles an image in the steady state.
    timing : Timing
        Job lengths and delays.
    images, reader, paths, reconstructs, raster
        Plans of the parts.
    """

    def __init__(
        self,
        weight: np.ndarray,
        lo: int,
        hi: int,
        geometry: Geometry,
        *,
        group: int = 1,
        plan: Plan | None = None,
        lanes_in: int = 1,
        lanes_out: int = 1,
        products: int = 1,
        name: str = "convolver",
        product_form: str = "schoolbook",
        even: bool = False,
    ):
        weight, g = np.asarray(weight, np.int64), geometry
        if weight.shape[2:] != tuple(g.kernel):
            raise InputError(f"the geometry's kernel is {g.kernel}, that of the weights {weight.shape[2:]}")
        low, high = output_range(weight, lo, hi, group)
        self.outputs, self.channels = weight.shape[0], weight.shape[1] * group
        self.geometry = g
        self.plan = plan or choose(
            weight, lo, hi, g.stride, g.pad, g.dilation, group, g.height, g.width, products=products
        )
        self.weight, self.lo, self.hi, self.group = weight, lo, hi, group
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
        self.product_form, self.range, self.even = product_form, (low, high), even
        self.planes = planes
        self.images = self.image_buffer(ImageBufferPlan)
        self.reader = None if self.plan.spectra == "stored" else self.weight_reader(WeightReaderPlan)
        self.paths = [self.modulus_path(b, ModulusPathPlan) for b in self.plan.widths]
        self.reconstructs = [self.reconstruct(ReconstructPlan) for _ in range(self.inverses)]
        self.bits = self.reconstructs[0].bits
        self.jobs = self.outputs // products
        self.out_after = max(path.out_after for path in self.paths)
        begun = ImageBufferPlan.DELAY + min(path.begun_after for path in self.paths)
        self.released_after = max(0, max(path.source.ahead for path in self.paths) - begun)
        self.timing = least_memories(self._timing(self._most_banks()), even)
        self.latency, self.cycles = steady(self.timing)
        self.spectra_banks, self.sums_banks = self.timing.spectra_banks, self.timing.sums_banks
        self.images = self.image_buffer(ImageBufferPlan, self.timing.ring)
        self.raster = self.raster_buffer(RasterBufferPlan, self.timing.band_banks)

    def image_buffer(self, kind: Any, rows: int | None = None) -> Any:
        """The image buffer, or (by ``kind``) its plan; so are the next ones."""
        return kind(self.shape, self.channels, self.geometry, self.plan, self.lanes_in, rows=rows)

    def weight_reader(self, kind: Any) -> Any:
        """The reader of stored spectra, as ``kind`` (the plan or the component)."""
        return kind(self.weight, self.geometry, self.plan, self.products, self.name)

    def weight_source(self, b: int, stored: Any, computed: Any) -> Any:
        """Spectra of one modulus: from a memory, or computed from what the reader reads."""
        if self.reader is None:
            return stored(b, self.weight, self.geometry, self.plan, self.products, self.name)
        return computed(b, self.reader.bits, self.plan.lengths, self.products)

    def modulus_path(self, b: int, kind: Any, source: Any = None, banks: tuple[int, int] = (2, 2)) -> Any:
        """The path of one modulus, 2^b + 1, as ``kind`` (the plan or the component)."""
        return kind(
            b,
            self.shape,
            self.plan.lengths,
            self.planes,
            self.group,
            self.outputs,
            source or self.weight_source(b, StoredWeightsPlan, ComputedWeightsPlan),
            self.inverses,
            product_form=self.product_form,
            banks=banks,
        )

    def reconstruct(self, kind: Any) -> Any:
        """The reconstruction from residues, as ``kind`` (the plan or the component)."""
        return kind(self.plan.widths, *self.range)

    def raster_buffer(self, kind: Any, banks: int = 1) -> Any:
        """The buffer of bands that puts results into raster order, as ``kind`` (the plan or the
        component)."""
        return kind(
            signed(self.bits),
            self.outputs,
            self.geometry,
            self.plan,
            self.inverses,
            self.lanes_out,
            banks=banks,
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

    def _most_banks(self) -> tuple[int, int, int]:
        """Tiles of spectra, jobs of sums and bands of rows with which products hardly ever wait: time held
        over time between two."""
        path, plan = self.paths[0], self.plan
        period, drain = self.jobs * path.job, path.kept * path.points
        tile = (
            ImageBufferPlan.DELAY
            + max(p.begun_after for p in self.paths)
            + 1
            + period
            - path.job
            + self.released_after
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

    def _timing(self, banks: tuple[int, int, int]) -> Timing:
        images, path, raster = self.images, self.paths[0], self.raster_buffer(RasterBufferPlan)
        return Timing(
            row_beats=self.geometry.width * self.channels // self.lanes_in,
            rows=self.geometry.height,
            ring=images.rows,
            need=images.need,
            free=images.free,
            tiles=self.plan.tiles[1],
            frame=images.frame,
            jobs=self.jobs,
            job=path.job,
            drain=path.kept * path.points,
            band_beats=raster.band_beats,
            spectra_banks=banks[0],
            sums_banks=banks[1],
            band_banks=banks[2],
            point=ImageBufferPlan.DELAY,
            begun=max(p.begun_after for p in self.paths),
            released=self.released_after,
            sums=max(p.sums_after for p in self.paths),
            result=self.out_after + self.reconstructs[0].latency,
        )
