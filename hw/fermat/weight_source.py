"""Spectra of the kernels, point by point in the order the products want them: read from a memory, or computed
on the fly."""

from math import prod

import numpy as np
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fermatnet.hw.fermat.circular_rom import CircularRom
from fermatnet.hw.fermat.counters import Counters
from fermatnet.hw.fermat.number import Number, shifted
from fermatnet.hw.fermat.residue import WideEncoder, encoder_latency
from fermatnet.hw.fermat.serial_transform import FlagDelay
from fermatnet.hw.fermat.serial_transform2d import SerialTransform2d, serial_latency2d
from fermatnet.hw.rtl.words import whole_bytes
from fermatnet.model.fermat.convolution import weight_spectra
from fermatnet.model.fermat.plan import Geometry, Plan, polyphase

__all__ = [
    "ComputedWeights",
    "ComputedWeightsPlan",
    "StoredWeights",
    "StoredWeightsPlan",
    "WeightReader",
    "WeightReaderPlan",
    "in_order",
    "pack_words",
]


def in_order(values: np.ndarray, products: int) -> np.ndarray:
    """(O, C/g, ...) to (jobs * C/g * ..., products): jobs of ``products`` outputs, then channels, then the
    rest."""
    jobs = values.shape[0] // products
    return values.reshape(jobs, products, -1).transpose(0, 2, 1).reshape(-1, products)


def pack_words(lanes: np.ndarray, bits: int) -> list[int]:
    """Rows of unsigned lanes (uint64, each below 2^bits, bits <= 64) to integers, lane 0 lowest."""
    padded = whole_bytes(bits)
    if padded == bits:
        raw = (
            np.ascontiguousarray(lanes.astype("<u8"))
            .view(np.uint8)
            .reshape(*lanes.shape, 8)[..., : bits // 8]
        )
        return [int.from_bytes(row.tobytes(), "little") for row in np.ascontiguousarray(raw)]
    planes = (lanes[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    rows = np.packbits(planes.astype(np.uint8).reshape(len(lanes), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


class StoredWeightsPlan:
    """Numbers and contents of `StoredWeights`."""

    def __init__(self, b: int, weight: np.ndarray, geometry: Geometry, plan: Plan, products: int, name: str):
        self.b, self.products, self.ahead, self.name = b, products, 0, name
        self.weight, self.geometry, self.plan = weight, geometry, plan

    def words(self) -> list[int]:
        """The memory's contents."""
        spectra, b = weight_spectra(self.weight, self.geometry, self.plan.lengths, self.b), self.b
        value = in_order(np.swapaxes(spectra.value, -1, -2), self.products)
        zero = in_order(np.swapaxes(spectra.zero, -1, -2), self.products)
        if b < 64:
            return pack_words(value | (zero.astype(np.uint64) << np.uint64(b)), b + 1)
        return [
            sum(
                (int(v) | int(z) << b) << (b + 1) * lane for lane, (v, z) in enumerate(zip(*row, strict=True))
            )
            for row in zip(value, zero, strict=True)
        ]


class StoredWeights(StoredWeightsPlan, wiring.Component):
    """A memory of spectra, ``products`` numbers a word, read in a circle, one word a cycle with ``step``.

    ``ahead``: cycles from ``step`` to ``next``; here 0. ``o`` is there one cycle after ``next``.

    Members
    -------
    step : In(1); next : Out(1); o : Out(ArrayLayout(Number(b), products)).
    """

    def __init__(self, *args, **options):
        StoredWeightsPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self, {"step": In(1), "next": Out(1), "o": Out(data.ArrayLayout(Number(self.b), self.products))}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rom = self.rom = rom = CircularRom(
            (self.b + 1) * self.products, self.words(), f"{self.name}_spectra{self.b}"
        )
        m.d.comb += [
            rom.step.eq(self.step),
            self.next.eq(self.step),
            self.o.as_value().eq(rom.data),
        ]
        return m


class WeightReaderPlan:
    """Numbers and contents of a `WeightReader`."""

    def __init__(self, weight: np.ndarray, geometry: Geometry, plan: Plan, products: int, name: str):
        self.bits = max(int(max(weight.max(), -weight.min() - 1)).bit_length(), 1) + 1
        self.weight, self.geometry, self.products, self.name = weight, geometry, products, name
        self.kernel, self.lengths = plan.kernel, plan.lengths

    def words(self) -> list[int]:
        """The memory's contents: ``products`` weights a word, two's complement."""
        taps = polyphase(self.weight, self.geometry)
        rows, columns = (
            (-np.arange(taps.shape[3])) % taps.shape[3],
            (-np.arange(taps.shape[4])) % taps.shape[4],
        )
        ordered = in_order(taps[..., rows[:, None], columns[None, :]], self.products)
        return pack_words((ordered & ((1 << self.bits) - 1)).astype(np.uint64), self.bits)


class WeightReader(WeightReaderPlan, wiring.Component):
    """A memory of plain weights, read in the order in which a transform of the flipped kernels meets them;
    zeros between taps.

    The memory holds k*k words where spectra take Ny*Nx wider ones, and serves all moduli. A kernel enters at
    index -t mod N, so its taps are met in the order 0, k-1, ..., 1 in both directions; the memory holds them
    so.
    Latency: 1 cycle. Throughput: one point of ``products`` kernels a cycle with ``step``.

    Members
    -------
    step : In(1); o : Out(ArrayLayout(signed(bits), products)).
    """

    def __init__(self, *args, **options):
        WeightReaderPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self, {"step": In(1), "o": Out(data.ArrayLayout(signed(self.bits), self.products))}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rom = self.rom = rom = CircularRom(
            self.bits * self.products, self.words(), f"{self.name}_weights"
        )
        counters = Counters(m, list(self.lengths))
        counters.step(self.step)
        tap, present = Signal(), Signal()
        self.place = counters
        hits = [
            (value == 0) | (value > length - kernel)
            for value, length, kernel in zip(counters.values, self.lengths, self.kernel, strict=True)
        ]
        m.d.comb += [tap.eq(self.step & hits[0] & hits[1]), rom.step.eq(tap)]
        m.d.sync += present.eq(tap)
        m.d.comb += self.o.as_value().eq(Mux(present, rom.data, 0))
        return m


class ComputedWeightsPlan:
    """Numbers of `ComputedWeights`."""

    def __init__(
        self,
        b: int,
        bits: int,
        lengths: tuple[int, int],
        products: int,
        *,
        adder_latency: int = 2,
        form: str = "chain",
    ):
        self.b, self.bits, self.lengths, self.products, self.adder_latency, self.form = (
            b,
            bits,
            lengths,
            products,
            adder_latency,
            form,
        )
        self.encoder_latency = encoder_latency(b, signed(bits))
        self.ahead = 1 + self.encoder_latency + serial_latency2d(b, *lengths, adder_latency)


class ComputedWeights(ComputedWeightsPlan, wiring.Component):
    """Spectra of weights as they come from a `WeightReader`: serial two-dimensional transforms, one for each
    product, with one control.

    1/(Ny Nx) is wiring at the end. ``ahead``: cycles from ``step`` to ``next``, the latency of the transform
    and one cycle of the reader; ``weights`` belong to the ``step`` of the cycle before. ``o`` is there one
    cycle after ``next``.

    Members
    -------
    step : In(1); weights : In(ArrayLayout(signed(bits), products)); next : Out(1); o :
    Out(ArrayLayout(Number(b), products)).
    """

    def __init__(self, *args, **options):
        ComputedWeightsPlan.__init__(self, *args, **options)
        wiring.Component.__init__(
            self,
            {
                "step": In(1),
                "weights": In(data.ArrayLayout(signed(self.bits), self.products)),
                "next": Out(1),
                "o": Out(data.ArrayLayout(Number(self.b), self.products)),
            },
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.valid = valid = FlagDelay(1 + self.encoder_latency)
        m.d.comb += valid.i.eq(self.step)
        m.submodules.transform = transform = SerialTransform2d(
            self.b, *self.lengths, adder_latency=self.adder_latency, form=self.form, lanes=self.products
        )
        m.d.comb += [transform.valid.eq(valid.o), self.next.eq(transform.o_valid)]
        for lane in range(self.products):
            m.submodules[f"encoder{lane}"] = encoder = WideEncoder(self.b, signed(self.bits))
            m.d.comb += [encoder.i.eq(self.weights[lane]), transform.i[lane].eq(encoder.o)]
            m.d.sync += self.o[lane].eq(shifted(transform.o[lane], -(prod(self.lengths).bit_length() - 1)))
        return m
