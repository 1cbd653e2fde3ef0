"""Which modulus, transform length and tile a software convolution uses, what it costs, and why.

The result of an integer convolution is known to lie in an interval [lo, hi] before anything is computed: from
the true weights (sums of the positive and of the negative ones) and the range of the input, zero padding
included. Modulo M the result is exact when it lies strictly within M/2, so the candidates are the sets of
Fermat numbers whose product covers the interval; for each set and each pair of transform lengths the cost
model adds up transforms and products, and the cheapest wins. What no set covers is refused: nothing wraps.

F_6 = 2^64 + 1 is never a candidate: {F_4, F_5} spans 2^48 and {F_3, F_4, F_5} 2^56 with 6 and 7 passes of
16-bit multiply-add, where F_6 would need a 128-bit lane and at least 16.

2^48 + 1, no Fermat number, is one for up to `SHALLOW` channels, where transforms are nearly all of the work:
one transform in 64-bit lanes takes the place of two or three. Its roots are as good: 2^3 has order 32, and a
cyclic convolution needs no more of a ring than alpha^(N/2) = -1 and an odd modulus. It is named by its
exponent, 48, where the others are named by t.

Source: the bound (2.11) of the thesis; residue systems of Fermat numbers, which are pairwise coprime.
"""

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software.codegen import BITS, lengths

__all__ = [
    "BITS", "COSTS", "MEMBER", "MODULI", "PACKED", "PASSES", "RESULT", "SECOND_CACHE", "SHALLOW",
    "Costs", "SoftwarePlan", "choose", "modulus_name", "output_interval", "widest",
]  # fmt: skip

# passes of the 16-bit product, see kernels/products.h; 48: its 52-bit product in that unit
PASSES = {3: 1, 4: 2, 5: 4, 48: 9}
LANES = {3: 16, 4: 16, 5: 8, 48: 8}  # channels a vector holds
MODULI = ((3,), (4,), (3, 4), (5,), (3, 5), (48,), (4, 5), (3, 4, 5))  # by product
# bytes of one activation in a spectrum; a weight takes 2, 2, 6 and 8, a result 4, 4, 8 and 8
PACKED = {3: 2, 4: 4, 5: 8, 48: 8}
PACKED_WEIGHT = {3: 2, 4: 2, 5: 6, 48: 8}
RESULT = {3: 4, 4: 4, 5: 8, 48: 8}
MEMBER = {3: 8, 4: 16, 5: 32, 48: 64}  # bit of a set of moduli, in the C++
ROWS = {3: 14, 4: 12, 5: 6, 48: 6}  # tiles whose sums fit the registers
SECOND_CACHE = 2 << 20
CACHES = 15 << 20  # what a core may count on before weights that stream past push out activations and results
# bytes of weight spectra that are kept from call to call (half of the memory a call may take by default)
KEPT = 1 << 29
# channels up to which product and inverse transform are one step: a result then never leaves the second cache
SHALLOW = 16


def modulus(moduli: tuple[int, ...]) -> int:
    return math.prod((1 << BITS[t]) + 1 for t in moduli)


def modulus_name(t: int) -> str:
    """How messages call a modulus."""
    return f"F_{t}" if t < 6 else f"2^{t}+1"


def widest() -> int:
    """The largest |y| that any set of moduli represents."""
    return modulus(MODULI[-1]) // 2 - 1


@dataclass(frozen=True)
class Costs:
    """Seconds on one thread, by modulus t (and transform length N). The built-in ones come from an AVX-512
    VNNI server core at about 2.5 GHz.

    forward, inverse: {t: {N: seconds for one point of one square tile, all lanes of a vector (forward) or 16
    outputs (inverse)}} product: {t: seconds for one pair of (tile, 16 outputs) and one channel at one point}
    join: {t: seconds to join and store 16 sums at one point} fetch: seconds to read a byte of packed weights
    spill: seconds for each byte of spectra of activations or results beyond SECOND_CACHE, to write it and to
    read it evicted: seconds for each byte of activations, and of results, that the weights have pushed out of
    the caches compare: seconds a weight, to compare it with the cache's copy saved: {t: seconds that a point
    and 16 outputs save where product and inverse are one step} garner: seconds a result, for each modulus
    beyond the first call: seconds of a call that do not depend on its size
    """

    forward: dict[int, dict[int, float]] = field(default_factory=dict)
    inverse: dict[int, dict[int, float]] = field(default_factory=dict)
    product: dict[int, float] = field(default_factory=dict)
    join: dict[int, float] = field(default_factory=dict)
    fetch: float = 0.0
    spill: float = 0.0
    evicted: tuple[float, float] = (0.0, 0.0)
    compare: float = 0.0
    garner: float = 0.0
    call: float = 0.0
    saved: dict[int, float] = field(default_factory=dict)
    direct: float = 0.0  # seconds for one multiply-add of the direct loops in 64 bits


COSTS = Costs(
    forward={
        3: {1: 30e-9, 4: 30e-9, 8: 22e-9, 16: 20e-9, 32: 21e-9},
        4: {1: 30e-9, 4: 30e-9, 8: 22e-9, 16: 20e-9, 32: 20e-9, 64: 22e-9},
        5: {1: 22e-9, 4: 22e-9, 8: 18.5e-9, 16: 17.6e-9, 32: 18.4e-9, 64: 20.4e-9},
        48: {1: 22e-9, 4: 22e-9, 8: 19e-9, 16: 18e-9, 32: 19e-9, 64: 22e-9},
    },
    inverse={
        3: {1: 8.5e-9, 4: 8.5e-9, 8: 8e-9, 16: 9e-9, 32: 13e-9},
        4: {1: 8.5e-9, 4: 8.5e-9, 8: 8e-9, 16: 9e-9, 32: 12e-9, 64: 14.5e-9},
        5: {1: 12e-9, 4: 12e-9, 8: 12.5e-9, 16: 15e-9, 32: 19e-9, 64: 27e-9},
        48: {1: 12e-9, 4: 12e-9, 8: 13e-9, 16: 16e-9, 32: 20.5e-9, 64: 30e-9},
    },
    product={3: 0.18e-9, 4: 0.35e-9, 5: 0.61e-9, 48: 1.5e-9},
    join={3: 2.8e-9, 4: 2.2e-9, 5: 2.5e-9, 48: 1e-9},
    fetch=0.026e-9,
    spill=0.0,
    evicted=(0.07e-9, 0.095e-9),
    compare=0.2e-9,
    garner=0.35e-9,
    call=80e-6,
    saved={3: 2e-9, 4: 1.2e-9, 5: 0.6e-9, 48: 2e-9},
    direct=0.2e-9,
)


@dataclass(frozen=True)
class SoftwarePlan:
    """How one group of a convolution (already unstrided) is computed.

    method: "fermat" or "direct"; moduli: the t of the Fermat numbers F_t; points: transform lengths (Ny, Nx);
    tile: outputs of a tile (rows, columns);
    tiles: of an image; low, high: interval that holds every result; seconds: what the model expects on one
    thread with cached weight spectra;
    stages: that time by stage; parts: the same for one image and one group (tiles, channels, outputs,
    kernel); rejected: the runners-up.
    """

    method: str
    moduli: tuple[int, ...]
    points: tuple[int, int]
    tile: tuple[int, int]
    tiles: tuple[int, int]
    low: int
    high: int
    seconds: float
    stages: dict[str, float]
    shape: tuple[int, ...]
    rejected: tuple[tuple[str, float], ...] = ()

    @property
    def modulus(self) -> int:
        return modulus(self.moduli)

    def explain(self) -> str:
        """Why this plan: bound, candidates, expected time; several lines."""
        images, channels, outputs, kh, kw, oh, ow = self.shape
        bits = max(self.high.bit_length(), (-self.low - 1).bit_length()) + 1
        lines = [
            f"{images} image(s), {channels} -> {outputs} channels, kernel {kh}x{kw}, output {oh}x{ow}",
            f"every result lies in [{self.low}, {self.high}]: {bits} bits",
        ]
        if self.method == "direct":
            lines.append(
                f"direct loops in 64 bits: {self.seconds * 1e3:.3g} ms expected, cheaper than any transform"
            )
        else:
            names = ", ".join(
                f"{modulus_name(t)} = 2^{BITS[t]}+1" if t < 6 else modulus_name(t) for t in self.moduli
            )
            lines.append(
                f"modulo {names}: exact up to {self.modulus // 2 - 1} (2^{math.log2(self.modulus / 2):.1f})"
            )
            lines.append(
                f"transform {self.points[0]}x{self.points[1]}, tile {self.tile[0]}x{self.tile[1]}, "
                f"{self.tiles[0]}x{self.tiles[1]} tile(s) an image (overlap-save)"
            )
            direct = images * channels * outputs * kh * kw * oh * ow
            used = (
                images * self.tiles[0] * self.tiles[1] * self.points[0] * self.points[1] * channels * outputs
            )
            lines.append(
                f"products: {used} points of {sum(PASSES[t] for t in self.moduli)} pass(es) instead of "
                f"{direct} ({direct / used:.1f} to 1)"
            )
            stages = ", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in self.stages.items())
            lines.append(f"expected {self.seconds * 1e3:.3g} ms on one thread: {stages}")
        lines += [f"rejected: {name}, {seconds * 1e3:.3g} ms" for name, seconds in self.rejected]
        return "\n".join(lines)


def output_interval(weight: np.ndarray, low: int, high: int) -> tuple[int, int]:
    """The interval of sum(w * x) over x in [low, high] with 0 (the padding) included, over all outputs;
    weight (O, ...) of integers, exact."""
    low, high = min(low, 0), max(high, 0)
    flat = weight.reshape(weight.shape[0], -1)
    largest = max(int(flat.max()), -int(flat.min()))
    if largest * flat.shape[1] >= 1 << 62:
        flat = flat.astype(object)
    positive = np.where(flat > 0, flat, 0).sum(axis=1, dtype=flat.dtype if flat.dtype == object else np.int64)
    negative = np.where(flat < 0, flat, 0).sum(axis=1, dtype=flat.dtype if flat.dtype == object else np.int64)
    lowest = min(int(p) * low + int(n) * high for p, n in zip(positive, negative, strict=True))
    highest = max(int(p) * high + int(n) * low for p, n in zip(positive, negative, strict=True))
    return lowest, highest


def _repeated(channels: int, outputs: int, kernel: tuple[int, int], total: int) -> float:
    """How many channels a product modulo F_4 is likely to repeat, for weights spread evenly over eight bits.

    Repeated is a channel with the residue 2^15 in some output. At the points whose twiddles are signs, a
    spectrum is a sum of taps, nearly normal, and with the factor 1/total it is that residue where the sum is
    one certain power of two: frequent for small kernels.
    """
    exponent = (15 + total.bit_length() - 1) % 16
    spread = 74 * math.sqrt(kernel[0] * kernel[1])
    hit = math.exp(-0.5 * ((1 << exponent) / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
    return channels * (1 - (1 - hit) ** outputs)


def _memory(costs: Costs, side: int, size: int, weights: int) -> float:
    """Seconds to bring `size` bytes of activations (side 0) or results (side 1) from beyond the second
    cache."""
    return costs.spill * max(0, size - SECOND_CACHE) + costs.evicted[side] * min(
        size, max(0, size + weights - CACHES)
    )


def fermat_stages(
    costs: Costs,
    moduli: tuple[int, ...],
    points: tuple[int, int],
    tiles: int,
    channels: int,
    outputs: int,
    kernel: tuple[int, int],
) -> dict[str, float]:
    """Expected seconds of each stage on one thread; tiles counts all images."""
    total = points[0] * points[1]
    panels, pairs = -(-outputs // 16), -(-channels // 2)
    # the second pass of the inverse skips rows that are not kept
    kept = (1 + (points[0] - kernel[0] + 1) / points[0]) / 2
    stages = {
        "forward": 0.0,
        "product": 0.0,
        "inverse": 0.0,
        "call": costs.call + channels * outputs * kernel[0] * kernel[1] * costs.compare,
    }
    shallow = channels <= SHALLOW
    for t in moduli:
        forward = (costs.forward[t][points[0]] + costs.forward[t][points[1]]) / 2
        inverse = (costs.inverse[t][points[0]] + costs.inverse[t][points[1]]) / 2
        vectors = (
            -(-tiles * 2 * pairs // LANES[t]) if 2 * pairs < LANES[t] else tiles * -(-channels // LANES[t])
        )
        weights = total * panels * 16 * 2 * pairs * PACKED_WEIGHT[t]
        taken, given = total * tiles * 2 * pairs * PACKED[t], total * tiles * 16 * panels * RESULT[t]
        stages["forward"] += vectors * total * forward + _memory(costs, 0, taken, weights)
        depth = (
            channels
            if t == 48
            else 2 * pairs + (_repeated(channels, outputs, kernel, total) if t == 4 else 0)
        )
        busy, reading = (
            total * panels * tiles * (depth * costs.product[t] + costs.join[t]),
            weights * costs.fetch,
        )
        # a single group of tiles reads weights steadily, half of it beside the products; with more groups
        # they come in bursts and are waited for
        stages["product"] += (
            max(busy, reading) + min(busy, reading) / 2 if tiles <= ROWS[t] else busy + reading
        )
        # results are written to lines that must be fetched first, half of it beside the products
        stages["product"] += 0 if shallow else _memory(costs, 0, given, weights) / 2
        stages["inverse"] += tiles * panels * total * (inverse * kept - (costs.saved[t] if shallow else 0))
        stages["inverse"] += 0 if shallow else _memory(costs, 1, given, weights)
    # made anew at every call
    if total * panels * 16 * (channels + 2) * sum(PACKED_WEIGHT[t] for t in moduli) > KEPT:
        stages["weights"] = sum(
            total
            * channels
            * 16
            * panels
            / LANES[t]
            * (costs.forward[t][points[0]] + costs.forward[t][points[1]])
            / 2
            for t in moduli
        )
    kept_points = (points[0] - kernel[0] + 1) * (points[1] - kernel[1] + 1)
    stages["inverse"] += (len(moduli) - 1) * tiles * 16 * panels * kept_points * costs.garner
    return stages


@functools.lru_cache(maxsize=4096)
def _choose(
    shape: tuple[int, ...], low: int, high: int, method: str, moduli: tuple[int, ...], length: int
) -> SoftwarePlan:
    images, channels, outputs, kh, kw, oh, ow = shape
    costs = COSTS
    size = max(-low, high)
    fitting = [s for s in MODULI if size < modulus(s) // 2 and (s != (48,) or channels <= SHALLOW)]
    candidates: list[SoftwarePlan] = []
    if method != "fermat" and size < 1 << 62:
        seconds = (
            images * channels * outputs * kh * kw * oh * (-(-ow // 16) * 16) * costs.direct + costs.call / 2
        )
        candidates.append(
            SoftwarePlan(
                "direct", (), (0, 0), (oh, ow), (1, 1), low, high, seconds, {"loops": seconds}, shape
            )
        )
    if method != "direct":
        if moduli:
            if moduli not in fitting:
                if moduli == (48,) and size < modulus(moduli) // 2:
                    raise InputError(f"2^48+1 is there for up to {SHALLOW} channels, not {channels}")
                would = (
                    ", ".join(map(modulus_name, fitting[0]))
                    if fitting
                    else "none of the Fermat number systems here"
                )
                raise InputError(
                    f"results up to {size} do not fit {', '.join(map(modulus_name, moduli))} (at most "
                    f"{modulus(moduli) // 2 - 1}): {would} would do"
                )
            fitting = [moduli]
        for chosen in fitting:
            possible = [n for n in lengths(min(BITS[t] for t in chosen)) if not length or n in (1, length)]
            for ny in possible:
                for nx in possible:
                    # a direction with a one-tap kernel may go untransformed (N = 1)
                    if ny < kh or nx < kw:
                        continue
                    tile = (ny - kh + 1, nx - kw + 1)
                    tiles = (-(-oh // tile[0]), -(-ow // tile[1]))
                    stages = fermat_stages(
                        costs, chosen, (ny, nx), images * tiles[0] * tiles[1], channels, outputs, (kh, kw)
                    )
                    candidates.append(
                        SoftwarePlan(
                            "fermat",
                            chosen,
                            (ny, nx),
                            tile,
                            tiles,
                            low,
                            high,
                            sum(stages.values()),
                            stages,
                            shape,
                        )
                    )
    if not candidates:
        if not fitting:
            raise InputError(
                f"results up to {size} (2^{math.log2(size):.1f}) may overflow: F_3, F_4 and F_5 together "
                f"hold {widest()} (2^55); narrow the input or weights"
            )
        raise InputError(
            f"no transform of {', '.join(map(modulus_name, fitting[0]))} fits a {kh}x{kw} kernel"
            + (f" at length {length}" if length else "")
        )
    candidates.sort(key=lambda plan: plan.seconds)
    best = candidates[0]
    names = tuple(
        (
            f"{'+'.join(map(modulus_name, c.moduli))} {c.points[0]}x{c.points[1]}"
            if c.method == "fermat"
            else "direct loops",
            c.seconds,
        )
        for c in candidates[1:4]
    )
    return SoftwarePlan(
        best.method,
        best.moduli,
        best.points,
        best.tile,
        best.tiles,
        low,
        high,
        best.seconds,
        best.stages,
        shape,
        names,
    )


def choose(
    shape: tuple[int, ...],
    low: int,
    high: int,
    *,
    method: str = "auto",
    moduli: tuple[int, ...] = (),
    length: int = 0,
) -> SoftwarePlan:
    """The cheapest exact plan.

    Parameters
    ----------
    shape: (images, channels, outputs, kernel rows, kernel columns, output rows, output columns) of one group
    of an unstrided convolution.
    low, high: interval of the results, see `output_interval`.
    method: "auto", "fermat" (transforms only) or "direct" (loops only).
    moduli: force a set of Fermat numbers, for instance (5,) or (4, 5), or (48,), and transforms; InputError
    when the results do not fit.
    length: force the transform length, and transforms.
    """
    if method not in ("auto", "fermat", "direct"):
        raise InputError(f"method must be auto, fermat or direct, not {method!r}")
    if moduli and tuple(sorted(moduli)) not in MODULI:
        raise InputError(f"moduli must be one of {MODULI} (t of F_t, 48 for 2^48+1), not {moduli!r}")
    if length and length not in lengths(32):
        raise InputError(f"length must be one of {lengths(32)}, not {length}")
    if method == "auto" and (moduli or length):
        method = "fermat"
    return _choose(tuple(shape), int(low), int(high), method, tuple(sorted(moduli)), int(length))
