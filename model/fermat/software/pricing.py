"""What each stage of a software convolution costs: measured constants, and sums over a plan."""

import math
from dataclasses import dataclass, field

__all__ = [
    "COSTS",
    "MEMBER",
    "PACKED",
    "RESULT",
    "SECOND_CACHE",
    "SHALLOW",
    "Costs",
    "direct_seconds",
    "fermat_stages",
]

LANES = {3: 16, 4: 16, 5: 8, 48: 8}  # channels a vector holds
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
        input_bytes = total * tiles * 2 * pairs * PACKED[t]
        product_bytes = total * tiles * 16 * panels * RESULT[t]
        stages["forward"] += vectors * total * forward + _memory(costs, 0, input_bytes, weights)
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
        stages["product"] += 0 if shallow else _memory(costs, 0, product_bytes, weights) / 2
        stages["inverse"] += tiles * panels * total * (inverse * kept - (costs.saved[t] if shallow else 0))
        stages["inverse"] += 0 if shallow else _memory(costs, 1, product_bytes, weights)
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


def direct_seconds(costs: Costs, shape: tuple[int, ...]) -> float:
    """Expected seconds of the direct loops on one thread; shape as in `plan.choose`."""
    images, channels, outputs, kh, kw, oh, ow = shape
    return images * channels * outputs * kh * kw * oh * (-(-ow // 16) * 16) * costs.direct + costs.call / 2
