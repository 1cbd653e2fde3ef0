"""Which moduli, transform lengths and tile one convolution layer gets, chosen from the true range of its
outputs.

A stride s makes a convolution the sum of s*s convolutions at stride one over the *phases* of the image
(``x[s*i + a, s*j + b]``), each with every s-th tap of the kernel; phases that meet no tap are dropped, so a
strided layer costs no more products than its taps need. A dilated kernel is a larger one with zeros in it.

Each transform of Ny x Nx points then yields ``(Ny-k+1) x (Nx-k+1)`` outputs by overlap-save. Costs are
counted in 8x8-bit multiplications: a product modulo 2^b+1 is ``((b+1)/8)^2`` of them, an addition of a
butterfly `fermatnet.model.fermat.candidates.ADDITION` * (b+1)/8.
"""

from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.bound import output_range
from fermatnet.model.fermat.candidates import lengths_for, no_length, system_name, systems_for, transform_cost
from fermatnet.model.fermat.cost import Layer, spectra_areas
from fermatnet.model.fermat.residue import modulus

__all__ = ["Geometry", "Plan", "choose", "phases", "polyphase", "sizes"]

PRODUCTS = 4
"""Parallel products for which spectra are stored or computed, when their number is not known."""


@dataclass(frozen=True)
class Geometry:
    """One convolution layer without its values: sizes, in outputs and taps. ``pad`` is (top, left, bottom,
    right)."""

    height: int
    width: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if min(self.height, self.width, *self.kernel, *self.stride, *self.dilation) < 1:
            raise InputError(f"sizes, kernel, stride and dilation must be at least 1: {self}")
        if min(self.pad) < 0:
            raise InputError(f"padding must not be negative: {self.pad}")
        if min(self.out) < 1:
            raise InputError(
                f"kernel {self.kernel} (dilation {self.dilation}) is larger than the padded image "
                f"{self.height}x{self.width}"
            )

    @property
    def span(self) -> tuple[int, int]:
        """Taps from first to last, dilation included."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1

    @property
    def out(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        top, left, bottom, right = self.pad
        return (
            (self.height + top + bottom - self.span[0]) // self.stride[0] + 1,
            (self.width + left + right - self.span[1]) // self.stride[1] + 1,
        )

    @property
    def phase_kernel(self) -> tuple[int, int]:
        """Taps of the largest phase."""
        return ceil(self.span[0] / self.stride[0]), ceil(self.span[1] / self.stride[1])


@dataclass(frozen=True)
class Plan:
    """How one layer is computed.

    widths: b of each modulus 2^b+1; lengths: transform points (rows Ny, columns Nx); kernel: taps of the
    largest phase;
    tile: outputs a tile; tiles: their number down and across; phases: image phases that meet a tap;
    lo, hi: range of the outputs; spectra: "stored" or "computed"; spectra_bits: memory that storing them
    takes;
    cost: 8x8-bit multiplications and their like an image; reasons: one line for people.
    """

    widths: tuple[int, ...]
    lengths: tuple[int, int]
    kernel: tuple[int, int]
    tile: tuple[int, int]
    tiles: tuple[int, int]
    phases: int
    lo: int
    hi: int
    spectra: str
    spectra_bits: int
    cost: float
    reasons: str

    @property
    def length(self) -> int:
        """The longer of the two transform lengths."""
        return max(self.lengths)

    @property
    def modulus(self) -> int:
        """Product of the moduli 2^b + 1."""
        return modulus(self.widths)

    @property
    def products_per_output(self) -> float:
        """Products of the residue system for one output and one input channel: (Ny Nx) / (tile) * moduli."""
        return prod(self.lengths) / prod(self.tile) * len(self.widths)


def phases(geometry: Geometry) -> list[tuple[int, int]]:
    """Image phases (row, column) that at least one tap of the kernel reads."""
    per_axis = []
    for extent, stride, dilation in zip(geometry.kernel, geometry.stride, geometry.dilation, strict=True):
        per_axis.append(sorted({tap * dilation % stride for tap in range(extent)}))
    return [(a, b) for a in per_axis[0] for b in per_axis[1]]


def polyphase(weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Kernel (O, C, kh, kw) as (O, C, phases, kh', kw'): tap (q, r) of phase (a, b) is tap (q*s + a, r*s + b)
    of the dilated kernel."""
    o, c = weight.shape[:2]
    kernel, (sy, sx), (dy, dx) = geometry.phase_kernel, geometry.stride, geometry.dilation
    spread = np.zeros((o, c, kernel[0] * sy, kernel[1] * sx), np.int64)
    spread[:, :, : geometry.span[0] : dy, : geometry.span[1] : dx] = weight
    return np.stack([spread[:, :, a::sy, b::sx] for a, b in phases(geometry)], axis=2)


def choose(
    weight: np.ndarray,
    lo: int,
    hi: int,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    group: int = 1,
    height: int = 1,
    width: int = 1,
    moduli: tuple[int, ...] = (),
    length: int = 0,
    *,
    spectra: str = "auto",
    memory_bits: int = 0,
    products: int = PRODUCTS,
) -> Plan:
    """The cheapest {moduli, lengths, tile} that the true range of the outputs allows.

    weight: integer (O, I/group, kh, kw); inputs in [lo, hi]; height, width: of the input image. ``moduli``
    forces the widths b, ``length`` a square transform. ``spectra``: "stored", "computed" or "auto", whichever
    takes the smaller share of a device (`fermatnet.model.fermat.cost`) for ``products`` parallel products;
    ``memory_bits``: most bits the stored spectra may take (0: no limit).

    Raises InputError, naming the bound and what would do, when a forced system is too small or has no root of
    the forced length, when the kernel is longer than the transform, or when stored spectra do not fit the
    memory.
    """
    low, high = output_range(weight, lo, hi, group)
    out_channels, in_channels, kh, kw = weight.shape
    geometry = Geometry(height, width, (kh, kw), stride, pad, dilation)
    if spectra not in ("auto", "stored", "computed"):
        raise InputError(f"spectra must be 'auto', 'stored' or 'computed', not {spectra!r}")
    systems = systems_for(low, high, moduli)
    best = None
    for widths in systems:
        for lengths in lengths_for(widths, geometry.phase_kernel, length):
            tile = lengths[0] - geometry.phase_kernel[0] + 1, lengths[1] - geometry.phase_kernel[1] + 1
            tiles = ceil(geometry.out[0] / tile[0]), ceil(geometry.out[1] / tile[1])
            cost = transform_cost(
                widths, lengths, tiles, in_channels * len(phases(geometry)), out_channels, group
            )
            if best is None or cost < best[0]:
                best = cost, widths, lengths, tile, tiles
    if best is None:
        raise no_length(systems, max(geometry.phase_kernel), length)
    cost, widths, lengths, tile, tiles = best
    count = len(phases(geometry))
    bits = out_channels * in_channels * count * prod(lengths) * sum(b + 1 for b in widths)
    layer = sizes(weight, lo, hi, geometry, group, (low, high), widths, lengths)
    kept, why = _spectra(spectra, bits, memory_bits, layer, products)
    direct = prod(geometry.out) * out_channels * in_channels * kh * kw
    reasons = (
        f"outputs in [{low}, {high}] need {(high - low + 1).bit_length()} bits; moduli {system_name(widths)}"
        f"{' (forced)' if moduli else ''} tell {modulus(widths)} values apart; {lengths[0]}x{lengths[1]} "
        "points"
        f"{' (forced)' if length else ''} yield {tile[0]}x{tile[1]} outputs in {tiles[0]}x{tiles[1]} tiles"
        f"{f' of {count} phases' if count > 1 else ''}; {cost / direct:.2f} x the direct count of 8x8 "
        "multiplications per weight tap; "
        f"spectra {kept} ({why})"
    )
    return Plan(
        widths, lengths, geometry.phase_kernel, tile, tiles, count, low, high, kept, bits, cost, reasons
    )


def sizes(
    weight: np.ndarray,
    lo: int,
    hi: int,
    geometry: Geometry,
    group: int,
    reach: tuple[int, int],
    widths: tuple[int, ...],
    lengths: tuple[int, int],
) -> Layer:
    """What `fermatnet.model.fermat.cost` needs to know of a layer; ``reach``: range of its outputs."""
    kernel = geometry.phase_kernel
    tiles = tuple(ceil(out / (n - k + 1)) for out, n, k in zip(geometry.out, lengths, kernel, strict=True))
    return Layer(
        weight.shape[0],
        weight.shape[1] * group,
        group,
        geometry.kernel,
        geometry.out,
        geometry.width,
        geometry.stride[0],
        signed_bits(lo, hi),
        signed_bits(int(weight.min()), int(weight.max())),
        signed_bits(*reach),
        widths,
        lengths,
        kernel,
        (tiles[0], tiles[1]),
        len(phases(geometry)),
    )


def signed_bits(lo: int, hi: int) -> int:
    """Bits of the integers lo..hi: two's complement where there are negative ones."""
    return (
        max((-lo - 1).bit_length(), hi.bit_length() if hi > 0 else 0) + 1
        if lo < 0
        else max(1, hi.bit_length())
    )


def _spectra(wanted: str, bits: int, memory_bits: int, layer: Layer, products: int) -> tuple[str, str]:
    """ "stored" or "computed", and why."""
    if memory_bits and bits > memory_bits:
        if wanted == "stored":
            raise InputError(
                f"stored spectra take {bits} bits, the memory holds {memory_bits}; compute them on the fly "
                "(spectra 'computed')"
            )
        return "computed", f"{bits} bits exceed the memory of {memory_bits}"
    stored, computed = spectra_areas(layer, products)
    figures = (
        f"stored {bits} bits in {stored.brams:.0f} block RAMs; on the fly {computed.luts:.0f} LUT and "
        f"{computed.brams:.0f} block RAMs"
    )
    if wanted != "auto":
        return wanted, f"as asked; {figures}, for {products} products"
    return (
        "stored" if stored.worth <= computed.worth else "computed"
    ), f"cheaper for {products} products: {figures}"
