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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software.codegen import BITS, lengths
from fermatnet.model.fermat.software.moduli import MODULI, PASSES, modulus, modulus_name, widest
from fermatnet.model.fermat.software.pricing import COSTS, SHALLOW, direct_seconds, fermat_stages

__all__ = ["SoftwarePlan", "choose"]


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
        """Product of the moduli."""
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


def _direct(shape: tuple[int, ...], interval: tuple[int, int]) -> SoftwarePlan:
    seconds = direct_seconds(COSTS, shape)
    tile = (shape[5], shape[6])
    return SoftwarePlan("direct", (), (0, 0), tile, (1, 1), *interval, seconds, {"loops": seconds}, shape)


def _transforms(
    shape: tuple[int, ...], interval: tuple[int, int], moduli: tuple[int, ...], length: int
) -> Iterator[SoftwarePlan]:
    """A priced plan for each pair of transform lengths that has room for the kernel; ``length`` 0: any."""
    images, channels, outputs, kh, kw, oh, ow = shape
    # a direction with a one-tap kernel may go untransformed (N = 1)
    possible = [n for n in lengths(min(BITS[t] for t in moduli)) if not length or n in (1, length)]
    for points in product(possible, possible):
        if points[0] < kh or points[1] < kw:
            continue
        tile = (points[0] - kh + 1, points[1] - kw + 1)
        tiles = (-(-oh // tile[0]), -(-ow // tile[1]))
        count = images * tiles[0] * tiles[1]
        stages = fermat_stages(COSTS, moduli, points, count, channels, outputs, (kh, kw))
        seconds = sum(stages.values())
        yield SoftwarePlan("fermat", moduli, points, tile, tiles, *interval, seconds, stages, shape)


def _systems(size: int, channels: int, forced: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Sets of moduli that hold results up to ``size``; InputError where the forced one does not."""
    fitting = [s for s in MODULI if size < modulus(s) // 2 and (s != (48,) or channels <= SHALLOW)]
    if not forced:
        return fitting
    if forced in fitting:
        return [forced]
    if forced == (48,) and size < modulus(forced) // 2:
        raise InputError(f"2^48+1 is there for up to {SHALLOW} channels, not {channels}")
    enough = ", ".join(map(modulus_name, fitting[0])) if fitting else "none of the Fermat number systems here"
    raise InputError(
        f"results up to {size} do not fit {', '.join(map(modulus_name, forced))} (at most "
        f"{modulus(forced) // 2 - 1}): {enough} would do"
    )


def _refusal(size: int, systems: list[tuple[int, ...]], kernel: tuple[int, int], length: int) -> InputError:
    """Why there is no plan at all."""
    if not systems:
        return InputError(
            f"results up to {size} (2^{math.log2(size):.1f}) may overflow: F_3, F_4 and F_5 together "
            f"hold {widest()} (2^55); narrow the input or weights"
        )
    return InputError(
        f"no transform of {', '.join(map(modulus_name, systems[0]))} fits a {kernel[0]}x{kernel[1]} kernel"
        + (f" at length {length}" if length else "")
    )


def _named(plan: SoftwarePlan) -> tuple[str, float]:
    """A runner-up as `explain` prints it."""
    if plan.method == "direct":
        return "direct loops", plan.seconds
    names = "+".join(map(modulus_name, plan.moduli))
    return f"{names} {plan.points[0]}x{plan.points[1]}", plan.seconds


@functools.lru_cache(maxsize=4096)
def _choose(
    shape: tuple[int, ...], low: int, high: int, method: str, moduli: tuple[int, ...], length: int
) -> SoftwarePlan:
    size = max(-low, high)
    systems = _systems(size, shape[1], moduli if method != "direct" else ())
    candidates: list[SoftwarePlan] = []
    if method != "fermat" and size < 1 << 62:
        candidates.append(_direct(shape, (low, high)))
    if method != "direct":
        for system in systems:
            candidates += _transforms(shape, (low, high), system, length)
    if not candidates:
        raise _refusal(size, systems, (shape[3], shape[4]), length)
    best, *others = sorted(candidates, key=lambda plan: plan.seconds)
    return replace(best, rejected=tuple(map(_named, others[:3])))


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
    low, high: interval of the results, see `fermatnet.model.fermat.bound.output_range`.
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
