"""Which kernel computes a layer of weights: a cost model over the forms of a dot product, and its reasons.

Costs are in processor cycles for one pixel and one vector of outputs, from the instructions a step of the
inner loop takes: *bytes* (four products a lane a step), *halves* (two), *bits* (AND and popcount of 32 bits a
lane a step, once a pair of planes).
"""

from dataclasses import dataclass
from functools import lru_cache

from fermatnet.model.piecewise.planes import Planes, short_planes
from fermatnet.runtime.packed.build import Form
from fermatnet.runtime.packed.external import fermat_possible, fermat_seconds
from fermatnet.runtime.packed.program import Kind, Source
from fermatnet.runtime.packed.storage import Storage, native, within_words
from fermatnet.runtime.packed.weighted import Weighted

__all__ = ["LONG", "KernelChoice", "WeightPlanes", "choose_kernel", "weight_planes"]

NANOSECONDS = 0.4  # of a cycle below, measured
LONG = 1.2  # nanoseconds of a product in the generic kernel, in 64 bits
DEPTHWISE = 0.1  # nanoseconds of a product of a depthwise layer
MARGIN = 0.7  # of a kernel's time that the Fermat kernels must promise to stay below
# cycles of a step: (bytes, bytes above 127, halves, bits, end of a pair of planes)
CYCLES: dict[str, tuple[float, float, float, float, float]] = {
    "avx512": (0.8, 0.8, 0.8, 1.4, 6.0),
    "avx2": (1.1, 2.6, 0.8, 3.0, 5.0),
    "neon": (1.0, 3.0, 2.0, 3.5, 5.0),
    "portable": (9.0, 9.0, 10.0, 10.0, 12.0),
}
MOST_PIECES = 32  # of activations in planes: their membership is a word


@dataclass(frozen=True)
class WeightPlanes:
    """``weight = base + sum_i coefficients[i] * member(code, i)``; levels: the weights that occur, in the
    order of the members' rows.
    """

    base: int
    planes: Planes
    levels: tuple[int, ...]


@dataclass(frozen=True)
class KernelChoice:
    """Kernel of a layer, how it wants its input stored, what every form would cost (cycles a pixel and
    vector), why, and seconds an image.
    """

    source: Source
    storage: Storage
    costs: dict[str, float]
    reason: str
    seconds: float
    weight_planes: WeightPlanes | None = None


@lru_cache(maxsize=512)
def weight_planes(levels: tuple[int, ...]) -> WeightPlanes:
    """The fewest planes for these weights, with a base (one count of the window a pixel) where it saves one.

    Two levels, +a and -a, are one plane: ``-a + 2a T``, as a binary network's XNOR.
    """
    candidates = []
    for base in (0, *levels):
        shifted = tuple(sorted({0, *(level - base for level in levels)}))
        planes = short_planes(shifted)
        rows = tuple(planes.members[shifted.index(level - base)] for level in levels)
        candidates.append(WeightPlanes(base, Planes(planes.coefficients, rows), levels))
        if len(levels) > 12:
            break  # far beyond what planes pay for: one decomposition for the cost's sake
    return min(candidates, key=lambda f: (f.planes.count + (0.3 if f.base else 0), abs(f.base)))


@lru_cache(maxsize=512)
def _activation_planes(levels: tuple[int, ...]) -> Planes:
    return short_planes(levels)


def _byte_storage(layer: Weighted) -> Storage | None:
    """Bytes for the activations, where they and the weights fit 8 bits."""
    low, high = layer.values
    if abs(layer.weight).max(initial=0) > 127 or not (
        (0 <= low and high <= 255) or (-128 <= low and high <= 127)
    ):
        return None
    if layer.levels_a is None:
        return native(layer.source)
    table = tuple(int(level) for level in layer.levels_a)
    return Storage(Kind.BYTES, table=() if table == tuple(range(len(table))) else table)


def _bits_possible(layer: Weighted) -> bool:
    if layer.levels_a is None or len(layer.levels_a) > MOST_PIECES or len(layer.levels_used) > 17:
        return False
    return layer.group == 1 or layer.inputs % 8 == 0


def _steps(layer: Weighted, per_step: int) -> int:
    """Steps of the inner loop with so many activations a step: whole rows of the window where they are
    contiguous.
    """
    rows, columns = layer.kernel
    if layer.group == 1 and layer.dilation[1] == 1:
        return rows * -(-columns * layer.inputs // per_step)
    return rows * columns * -(-layer.inputs // per_step)


def _bits_cost(layer: Weighted, form: Form, other: float) -> float | None:
    """Cost of bit planes; None where they are impossible, or lose to ``other`` however few they be.

    The search for planes takes up to a second, so the least number that is possible is tried first.
    """
    if layer.levels_a is None or not _bits_possible(layer):
        return None
    *_, bit, pair = CYCLES[form.name]
    step = _steps(layer, 32) * bit
    least = (len(layer.levels_used) - 1).bit_length() * (len(layer.levels_a) - 1).bit_length()
    if not least or (least - 1) * step >= other:
        return None
    planes, activations = weight_planes(layer.levels_used), _activation_planes(tuple(layer.levels_a.tolist()))
    window = 2.0 * _steps(layer, 32) / -(-layer.outputs // form.lanes) if planes.base else 0.0
    return activations.count * (planes.planes.count * (step + pair) + window)


def _costs(layer: Weighted, form: Form) -> dict[str, float]:
    byte, wide_byte, half, *_ = CYCLES[form.name]
    costs = {}
    if _byte_storage(layer) is not None:
        wide = layer.values[1] > 127 or layer.values[0] < 0
        costs["bytes"] = _steps(layer, 4) * (wide_byte if wide else byte)
    costs["halves"] = _steps(layer, 2) * half
    bits = _bits_cost(layer, form, min(costs.values()))
    if bits is not None:
        costs["bits"] = bits
    return costs


def _fermat(layer: Weighted, seconds: float, otherwise: str, force: str) -> str:
    """Why the Fermat kernels take a layer, or nothing where they do not; ``seconds``: of an image, by the
    kernel otherwise.
    """
    if layer.kernel == (1, 1) or layer.kernel == layer.source.shape[1:] or not fermat_possible(layer):
        return ""
    expected = fermat_seconds(layer)
    if expected >= seconds and force != "fermat":
        return ""
    return f"Fermat kernels: {expected * 1e6:.0f} us an image expected, {otherwise} {seconds * 1e6:.0f} us"


def _external(layer: Weighted, reason: str) -> KernelChoice:
    stored = native(layer.source) if layer.levels_a is None else _halves(layer)
    return KernelChoice(Source.EXTERNAL, stored, {}, reason, fermat_seconds(layer))


def _reason(costs: dict[str, float], best: str) -> str:
    figures = ", ".join(
        f"{name} {cost:.0f}" for name, cost in sorted(costs.items(), key=lambda item: item[1])
    )
    return f"{best}: cycles a pixel and vector of outputs: {figures}"


def _halves(layer: Weighted) -> Storage:
    """Activations in 16 bits, piece indices as their levels."""
    return Storage(Kind.HALVES, table=() if layer.levels_a is None else tuple(layer.levels_a.tolist()))


def _long(layer: Weighted, fits_halves: bool, force: str) -> KernelChoice:
    """Sums beyond 32 bits: the Fermat kernels, or one product at a time."""
    seconds = layer.products * LONG * 1e-9
    reason = _fermat(layer, seconds, "64-bit sums", force) if fits_halves else ""
    if reason:
        return _external(layer, reason)
    storage = native(layer.source) if layer.levels_a is None else _halves(layer)
    return KernelChoice(
        Source.WEIGHTED,
        storage,
        {},
        f"64-bit sums: its results {layer.result.lo}..{layer.result.hi} pass 32 bits",
        seconds,
    )


def _dot(layer: Weighted, best: str, costs: dict[str, float], seconds: float) -> KernelChoice:
    """The register-block kernel of that name."""
    reason = _reason(costs, best)
    if best == "halves":
        return KernelChoice(Source.DOT_HALVES, _halves(layer), costs, reason, seconds)
    in_bytes = _byte_storage(layer)
    if best == "bytes" and in_bytes is not None:
        return KernelChoice(Source.DOT_BYTES, in_bytes, costs, reason, seconds)
    assert layer.levels_a is not None
    planes, chosen = _activation_planes(tuple(layer.levels_a.tolist())), weight_planes(layer.levels_used)
    reason += f"; {chosen.planes.count} x {planes.count} planes" + (
        f" and {chosen.base} a bit of the window" if chosen.base else ""
    )
    return KernelChoice(Source.DOT_BITS, Storage(Kind.BITS, planes=planes), costs, reason, seconds, chosen)


def choose_kernel(layer: Weighted, form: Form, force: str = "") -> KernelChoice:
    """The cheapest exact kernel. ``force``: "bytes", "halves", "bits" or "fermat" where that form exists for
    the layer.
    """
    fits_halves = (
        -(1 << 15) <= layer.values[0]
        and layer.values[1] < 1 << 15
        and abs(layer.weight).max(initial=0) < 1 << 15
    )
    if not within_words(layer.result) or not fits_halves:
        return _long(layer, fits_halves, force)
    if layer.depthwise:
        reason = "depthwise: one channel a lane, 16-bit products"
        return KernelChoice(
            Source.DEPTHWISE,
            _byte_storage(layer) or _halves(layer),
            {},
            reason,
            layer.products * DEPTHWISE * 1e-9,
        )
    costs = _costs(layer, form)
    best = force if force in costs else min(costs, key=lambda name: costs[name])
    vectors = layer.group * -(-layer.outputs // form.lanes)
    seconds = costs[best] * vectors * layer.result.shape[1] * layer.result.shape[2] * NANOSECONDS * 1e-9
    # transforms are costed for processors with vectors
    fermat = _fermat(layer, MARGIN * seconds if form.name != "portable" else 0.0, best, force)
    return _external(layer, fermat) if fermat else _dot(layer, best, costs, seconds)
