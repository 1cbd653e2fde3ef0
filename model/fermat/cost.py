"""What the transform engine and a direct engine of equal throughput cost on an FPGA: DSP blocks, lookup
tables, block RAMs.

The models are counts of the engines' parts; the lookup tables of a part are fitted to its synthesis for
7-series (yosys; the parts and their figures: `fermatnet.bench.fermat.parts`). Resources are made comparable
by the share of one device that they take:
a Xilinx XC7A100T has 63400 lookup tables, 240 DSP blocks and 270 block RAMs of 18 kbit, so a DSP block is
worth 264 lookup tables and a block RAM 235.
"""

from dataclasses import dataclass
from math import ceil, prod

from fermatnet.model.fermat.block_memory import block_rams, circle_rams

__all__ = [
    "Area",
    "Layer",
    "Match",
    "at_goal",
    "cheaper_spectra",
    "direct_area",
    "matches",
    "prices",
    "spectra_areas",
    "transform_area",
]

LUTS, DSPS, BRAMS = 63400, 240, 270
"""Lookup tables, DSP blocks and 18-kbit block RAMs of an XC7A100T (AMD DS180)."""

PRODUCT = {4: (0, 49), 8: (1, 36), 16: (1, 68), 32: (4, 231), 64: (16, 909)}
"""DSP blocks and lookup tables of one product modulo 2^b+1."""


@dataclass(frozen=True)
class Area:
    """DSP blocks, lookup tables and 18-kbit block RAMs."""

    dsps: float = 0
    luts: float = 0
    brams: float = 0

    def __add__(self, other: "Area") -> "Area":
        return Area(self.dsps + other.dsps, self.luts + other.luts, self.brams + other.brams)

    def __mul__(self, count: float) -> "Area":
        return Area(self.dsps * count, self.luts * count, self.brams * count)

    @property
    def worth(self) -> float:
        """In lookup tables, at the device's ratios."""
        return self.luts + self.dsps * LUTS / DSPS + self.brams * LUTS / BRAMS

    @property
    def fits(self) -> bool:
        """Whether a large FPGA holds it."""
        return self.luts <= LUTS and self.dsps <= DSPS and self.brams <= BRAMS

    def __str__(self) -> str:
        return f"{self.dsps:.0f} DSP, {self.luts:.0f} LUT, {self.brams:.0f} block RAMs"


@dataclass(frozen=True)
class Layer:
    """The sizes that decide a layer's cost.

    outputs, channels: O and I; group; kernel: taps (kh, kw); out: outputs down and across; width: of the
    input image; input_bits, weight_bits, sum_bits: of an element, a weight, an output. Of the transform
    engine: widths b, lengths (Ny, Nx), phase kernel, tiles down and across, phases.
    """

    outputs: int
    channels: int
    group: int
    kernel: tuple[int, int]
    out: tuple[int, int]
    width: int
    stride: int
    input_bits: int
    weight_bits: int
    sum_bits: int
    widths: tuple[int, ...]
    lengths: tuple[int, int]
    phase_kernel: tuple[int, int]
    tiles: tuple[int, int]
    phases: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an image."""
        return prod(self.out) * self.outputs * (self.channels // self.group) * prod(self.kernel)

    def cycles(self, products: int) -> int:
        """Of the transform engine with so many parallel products, an image."""
        return (
            prod(self.tiles)
            * (self.outputs // self.group // products)
            * self.channels
            * self.phases
            * prod(self.lengths)
        )


@dataclass(frozen=True)
class Match:
    """Both engines at one throughput: ``products`` of the transform engine, ``macs`` multiply-accumulates a
    cycle of the direct one."""

    products: int
    cycles: int
    transform: Area
    macs: int
    direct: Area


def _ram(width: int, depth: int) -> Area:
    return Area(brams=block_rams(width, depth))


def _circle(width: int, depth: int) -> Area:
    return Area(brams=circle_rams(width, depth)[0])


def _transform(b: int, lengths: tuple[int, int], lanes: int = 1) -> Area:
    """Of ``lanes`` two-dimensional transforms with one control."""
    bits, stages = (b + 1) * lanes, [(n - 1).bit_length() for n in lengths]
    luts = sum(count * ((ADDER_LUTS + ROTATOR_LUTS * count) * bits + STAGE_CONTROL) for count in stages)
    return Area(luts=luts) + _ram(bits, prod(lengths))


ADDER_LUTS = 1.0
"""Of one stage of a serial transform, a bit: its adder."""

ROTATOR_LUTS = 0.55
"""Of one stage of a serial transform, a bit and a stage: rotators and delays, longer in longer transforms."""

STAGE_CONTROL = 12
"""Of one stage of serial transforms beside their bits; the transposer's control is in it."""


def inverse_transforms(products: int, planes: int) -> int:
    """Fewest inverse transforms that work off ``products`` sums while the next ones are made: a divisor of
    ``products``."""
    return next(
        count for count in range(1, products + 1) if products % count == 0 and count * planes >= products
    )


def spectra_areas(layer: Layer, products: int) -> tuple[Area, Area]:
    """Area of the kernels' spectra, stored and computed on the fly, for so many parallel products."""
    points, kernels = prod(layer.lengths), layer.outputs * (layer.channels // layer.group) * layer.phases
    stored, computed = (
        Area(),
        _circle(layer.weight_bits * products, kernels // products * prod(layer.phase_kernel)) + Area(luts=60),
    )
    for b in layer.widths:
        stored += _circle((b + 1) * products, kernels // products * points)
        computed += _transform(b, layer.lengths, products) + Area(luts=ENCODER_LUTS) * products
    return stored, computed


def cheaper_spectra(layer: Layer, products: int) -> str:
    """ "stored" or "computed": what takes the smaller share of a device for so many parallel products."""
    stored, computed = spectra_areas(layer, products)
    return "stored" if stored.worth <= computed.worth else "computed"


def transform_area(layer: Layer, products: int, spectra: str, *, even: bool = False) -> Area:
    """Of the transform engine with ``products`` parallel products and ``spectra`` "stored" or "computed";
    with room for the next band's rows and a second band out where its neighbours keep an ``even`` pace."""
    points, planes = prod(layer.lengths), layer.channels * layer.phases
    inverses = inverse_transforms(products, planes // layer.group)
    rows = layer.stride * (layer.lengths[0] + even * (layer.lengths[0] - layer.phase_kernel[0] + 1))
    band = (layer.lengths[0] - layer.phase_kernel[0] + 1) * layer.out[1] * layer.outputs
    area = (
        Area(luts=BUFFER_LUTS)
        + _ram(layer.input_bits, rows * layer.width * layer.channels)
        + _ram(layer.sum_bits, (1 + even) * band)
    )
    area += Area(luts=RECONSTRUCT_LUTS * layer.sum_bits * (len(layer.widths) - 1)) * inverses
    area += spectra_areas(layer, products)[spectra == "computed"]
    for b in layer.widths:
        dsps, luts = PRODUCT.get(b, (ceil((b + 1) / 17) ** 2, 0.22 * b * b))
        area += _transform(b, layer.lengths) + _transform(b, layer.lengths, inverses)
        area += Area(luts=ENCODER_LUTS)
        area += Area(dsps, luts + SUM_LUTS * (b + 1)) * products
        area += _ram(b + 1, planes * points) + _ram((b + 1) * products, points) * 2
    return area


BUFFER_LUTS = 450
"""Tile reader, output bands and job control."""

ENCODER_LUTS = 7
"""Of a signed integer's way into the residues."""

RECONSTRUCT_LUTS = 2.8
"""Of mixed radix, a bit of the result, for every modulus but the first."""

SUM_LUTS = 1.1
"""Of the accumulating adder, a bit."""


def direct_area(layer: Layer, macs: int) -> Area:
    """Of a sliding window and an array of ``macs`` multiply-accumulate units, one DSP block each."""
    lanes = min(macs, layer.channels // layer.group)
    rows = layer.kernel[0] + layer.stride
    weights = layer.outputs * (layer.channels // layer.group) * prod(layer.kernel)
    return (
        Area(
            macs,
            WINDOW_LUTS + lanes * layer.input_bits + MAC_LUTS * macs * (layer.input_bits + layer.weight_bits),
        )
        + _ram(layer.input_bits * lanes, ceil(rows * layer.width * layer.channels / lanes))
        + _ram(layer.weight_bits * macs, ceil(weights / macs))
    )


WINDOW_LUTS = 190
"""Of the sliding window, beside one for each bit that it reads at once."""

MAC_LUTS = 0.57
"""Of a multiply-accumulate unit beside its DSP block, a bit of the product: the tree of adders."""


def matches(layer: Layer, spectra: str) -> list[Match]:
    """Both engines at equal throughput, for every number of parallel products with which the transform engine
    fits the device.

    Where it never does, for one product.
    """
    per = layer.outputs // layer.group
    candidates = []
    for products in (p for p in range(1, per + 1) if per % p == 0):
        area = transform_area(layer, products, spectra)
        if area.fits or products == 1:
            cycles = layer.cycles(products)
            macs = max(1, ceil(layer.macs / cycles))
            candidates.append(Match(products, cycles, area, macs, direct_area(layer, macs)))
    return [match for match in candidates if match.transform.fits] or candidates


def at_goal(layer: Layer, cycles: int) -> Match:
    """Both engines where an image may take ``cycles``: each with the fewest parallel products that keep to
    it, of those that divide its channels; the transform's spectra stored or computed, whichever is cheaper.

    An engine that cannot keep to it is given with all its products; ``cycles`` of the match are the goal.
    """
    per, channels = layer.outputs // layer.group, layer.channels // layer.group
    products = min((p for p in _divisors(per) if layer.cycles(p) <= cycles), default=per)
    arrays = (outputs * inputs for outputs in _divisors(per) for inputs in _divisors(channels))
    macs = min((n for n in arrays if layer.macs <= n * cycles), default=per * channels)
    transform = transform_area(layer, products, cheaper_spectra(layer, products), even=True)
    return Match(products, cycles, transform, macs, direct_area(layer, macs))


TABLE_PRODUCT = 1.2
"""Lookup tables of a product made of them, a pair of bits."""


def prices(layer: Layer, match: Match) -> tuple[float, float]:
    """What both engines of a match are worth, (transform, direct), in lookup tables: a product that tables
    make for less than a DSP block's share of the device is priced as if they made it, because DSP blocks that
    no other layer needs cost nothing."""

    def saved(first: int, second: int) -> float:
        return max(0.0, LUTS / DSPS - TABLE_PRODUCT * first * second)

    narrow = sum(saved(b, b) for b in layer.widths if PRODUCT.get(b, (0, 0))[0] == 1)
    return (
        match.transform.worth - match.products * narrow,
        match.direct.worth - match.macs * saved(layer.input_bits, layer.weight_bits),
    )


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
