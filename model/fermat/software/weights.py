"""Weights prepared for the software convolution: their spectra, kept for the next call.

A call of an operator cannot know whether a weight tensor is the one of the last call, and a cache that trusts
an address or a version counter can be fooled into a wrong answer. So the cache keeps a copy of the integers
and compares: some hundred microseconds for a layer whose convolution takes tens of milliseconds, and stale
spectra are impossible.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from fermatnet.model.fermat.bound import output_range
from fermatnet.model.fermat.software.build import library
from fermatnet.model.fermat.software.codegen import BITS
from fermatnet.model.fermat.software.plan import SoftwarePlan
from fermatnet.model.fermat.software.pricing import PACKED_WEIGHT

__all__ = ["Spectrum", "WeightCache", "Weights", "address", "aligned", "constants", "spaced"]

F5 = (1 << 32) + 1


def address(a: np.ndarray | None) -> int | None:
    """Pointer to the first element, for the compiled part."""
    return None if a is None else a.ctypes.data


def aligned(size: int) -> np.ndarray:
    """`size` bytes of zeros that begin on a cache line (numpy's large arrays begin 16 bytes behind one, and
    each load of 64 bytes would meet two)."""
    whole = np.zeros(size + 63, np.uint8)
    start = -whole.ctypes.data % 64
    return whole[start : start + size]


def spaced(size: int) -> int:
    """Bytes from point to point of a spectrum, `size` or a little more: an odd number of cache lines
    (`spaced` in the C++ says why)."""
    return (-(-size // 64) | 1) * 64


def constants(points: int) -> np.ndarray:
    """What the four sums of a product modulo F_5 are worth: (modulo 641), low, cross and high limbs (modulo
    6700417); int64, balanced, 1/N included.

    The idempotents of F_5 = 641 * 6700417 turn the Chinese remainder theorem into a linear combination: e is
    1 modulo one factor, 0 modulo the other.
    """
    idempotent = 6700417 * pow(6700417, -1, 641)
    values = [
        v * pow(points, -1, F5) % F5
        for v in (idempotent, 1 - idempotent, (1 - idempotent) << 11, (1 - idempotent) << 22)
    ]
    return np.array([v - F5 if v > F5 // 2 else v for v in values], np.int64)


@dataclass(frozen=True)
class Spectrum:
    """Packed spectra of a set of kernels modulo one F_t or 2^48+1 (layout in kernels/weights.h).

    packed: int16, flat; depth: channels the product runs over, padded; extra: (points, channels) int32 or
    None, channels to repeat at each point because a weight there is 2^15 modulo F_4, `repeats` of them at
    most.
    """

    packed: np.ndarray
    depth: int
    repeats: int
    extra: np.ndarray | None


def spectrum(w: np.ndarray, t: int, points: tuple[int, int], threads: int) -> Spectrum:
    """Transforms kernels w (O, C, kh, kw) int64."""
    compiled = library()
    outputs, channels, kh, kw = w.shape
    strides = np.array(w.strides) // 8
    total, panels = points[0] * points[1], -(-outputs // 16)
    shift = -(total.bit_length() - 1) % (2 * BITS[t])  # 1/total is a power of two
    repeats, extra, marks = 0, None, None
    if t == 4:
        extra = np.empty((total, channels), np.int32)
        marks = np.empty((channels, total, panels), np.uint16)
        repeats = compiled.fermat_exceptions(
            address(w),
            address(strides),
            outputs,
            channels,
            kh,
            kw,
            *points,
            shift,
            address(extra),
            address(marks),
            threads,
        )
    depth = (channels + repeats + 1) // 2 * 2
    packed = aligned(total * spaced(panels * depth * PACKED_WEIGHT[t] * 16)).view(np.int16)
    compiled.fermat_weights(
        t,
        address(w),
        address(strides),
        outputs,
        channels,
        kh,
        kw,
        *points,
        depth,
        shift,
        address(packed),
        threads,
    )
    if repeats:
        compiled.fermat_augment_weights(
            outputs, channels, total, depth, repeats, address(extra), address(marks), address(packed)
        )
    return Spectrum(packed, depth, repeats, extra if repeats else None)


class Weights:
    """One weight array (O, C, kh, kw), a private copy, with what has been computed from it."""

    def __init__(self, w: np.ndarray) -> None:
        self.w = np.array(w)
        self.spectra: dict[tuple[int, int, int, int, int], Spectrum] = {}
        self._intervals: dict[tuple[int, int], tuple[int, int]] = {}

    def interval(self, low: int, high: int) -> tuple[int, int]:
        """Where results lie for inputs in [low, high], see `output_range`."""
        if (low, high) not in self._intervals:
            self._intervals[low, high] = output_range(self.w, low, high)
        return self._intervals[low, high]

    def equals(self, w: np.ndarray) -> bool:
        """Whether these are the weights ``w``, their type included."""
        return w.shape == self.w.shape and w.dtype == self.w.dtype and bool(np.array_equal(w, self.w))

    def spectrum(
        self, t: int, plan: SoftwarePlan, first: int, last: int, threads: int, keep: bool
    ) -> Spectrum:
        """Spectra of outputs first..last-1, from the cache or made now."""
        key = (t, *plan.points, first, last)
        spectra = self.spectra.get(key)
        if spectra is None:
            spectra = spectrum(np.ascontiguousarray(self.w[first:last], np.int64), t, plan.points, threads)
            if keep:
                self.spectra[key] = spectra
        return spectra

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and of all their spectra."""
        return self.w.nbytes + sum(s.packed.nbytes for s in list(self.spectra.values()))


class WeightCache:
    """Least recently used weights go first when their spectra pass `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: OrderedDict[int, Weights] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, w: np.ndarray) -> Weights:
        """The entry whose integers equal w's, or a new one."""
        with self._lock:
            for key in reversed(self._entries):
                entry = self._entries[key]
                if entry.equals(w):
                    self._entries.move_to_end(key)
                    return entry
            entry = Weights(w)
            self._entries[id(entry)] = entry
            return entry

    def trim(self) -> None:
        """Drops what was not used for longest, until the rest is within the limit."""
        with self._lock:
            while self._entries and sum(entry.nbytes for entry in self._entries.values()) > self.limit:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Drops everything."""
        with self._lock:
            self._entries.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of all that is kept."""
        with self._lock:
            return sum(entry.nbytes for entry in self._entries.values())
