"""Exact integer 2-D convolution on numpy arrays by Fermat number transforms: fast, in software.

`convolve` is what the torch operator calls; users without torch call it themselves. It checks its input,
bounds the result, lets `plan.choose` pick modulus, transform and tile, brings strides to stride 1
(every phase of the image becomes a channel), and runs one of three backends: "compiled" (C++), "numpy" (the
same steps in numpy, only slower) or "torch" (the same steps in torch, on any device).

The bit-exact model of the hardware is another module (`fermatnet.model.fermat.convolution`); this one shares
nothing with it but the mathematics.
"""

import os
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.bound import output_range
from fermatnet.model.fermat.software import build as software_build
from fermatnet.model.fermat.software import compiled as software_compiled
from fermatnet.model.fermat.software.checks import check_convolution, input_range
from fermatnet.model.fermat.software.direct import direct, loop_bits
from fermatnet.model.fermat.software.phases import space_to_depth, taps_to_depth
from fermatnet.model.fermat.software.plan import choose
from fermatnet.model.fermat.software.unstrided import unstrided
from fermatnet.model.fermat.software.weights import WeightCache, Weights

__all__ = ["DEFAULT_MEMORY", "clear_cache", "convolve", "explain", "processors", "spectra_cache"]

DEFAULT_MEMORY = 1 << 30
# taps a side; longer kernels are cut into blocks, because a transform of 64 points would hardly have outputs
# left
LONGEST = 33
spectra_cache = WeightCache(limit=1 << 30)


def clear_cache() -> None:
    """Forgets all weight spectra, and this thread's scratch memory."""
    spectra_cache.clear()
    software_compiled.forget_scratch()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _engine(backend: str) -> str:
    """Which of "compiled" and "numpy" runs."""
    if backend not in ("auto", "compiled", "numpy"):
        raise InputError(f"backend must be auto, compiled or numpy, not {backend!r}")
    if backend == "compiled" and not software_build.available():
        raise InputError(f"the compiled backend cannot be built here: {software_build.why_not()}")
    return "compiled" if backend != "numpy" and software_build.available() else "numpy"


def explain(
    x: np.ndarray,
    w: np.ndarray,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    *,
    x_range: tuple[int, int] | None = None,
    moduli: tuple[int, ...] = (),
    length: int = 0,
    method: str = "auto",
) -> str:
    """What `convolve` would do with these arrays and why, in words; the first group stands for all."""
    sides, _, out_size = check_convolution(x, w, stride, padding, groups)
    n, lines = x.shape[0], []
    if sides != (1, 1):
        lines.append(f"stride {sides[0]}x{sides[1]}: the phases of the image become channels")
        w = taps_to_depth(w, sides)
    if groups > 1:
        lines.append(f"{groups} groups, each:")
    part = w[: w.shape[0] // groups]
    interval = output_range(part, *(x_range or input_range(x)))
    plan = choose(
        (n, part.shape[1], part.shape[0], *part.shape[2:], *out_size),
        *interval,
        method=method,
        moduli=tuple(moduli),
        length=length,
    )
    return "\n".join([*lines, plan.explain()])


def convolve(
    x: np.ndarray,
    w: np.ndarray,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    *,
    x_range: tuple[int, int] | None = None,
    moduli: tuple[int, ...] = (),
    length: int = 0,
    method: str = "auto",
    backend: str = "auto",
    memory: int = DEFAULT_MEMORY,
    threads: int | None = None,
    dtype: type = np.int64,
    cache: bool = True,
    profile: dict | None = None,
) -> np.ndarray:
    """Cross-correlation (2.1) of integer images and kernels, exact, by Fermat number transforms.

    Parameters
    ----------
    x: (n, C, H, W) int8, uint8, int16, int32 or int64. w: (O, C / groups, kh, kw), likewise.
    stride, padding: an int or (vertical, horizontal); padding is with zeros on both sides. groups: divides C
    and O.
    x_range: interval that x is known to lie in; by default the range of the data, widened to whole bits.
    moduli, length, method: force the Fermat numbers (t of F_t), the transform length, or "fermat" or
    "direct"; see `plan.choose`.
    backend: "compiled", "numpy", or "auto": compiled where a C++ compiler is.
    memory: bytes that spectra may take at a time (weights, activations and results of one chunk); the result
    itself comes on top.
    threads: by default the processors this process may use.
    dtype: numpy.int64, or numpy.int32 where the bound allows.
    cache: keep the weights' spectra for the next call with equal weights.
    profile: a dict that receives seconds by stage (processor time with one thread, else elapsed) and the
    plans.

    Returns
    -------
    (n, O, OH, OW) int64 (or int32).

    Raises
    ------
    InputError: not integers, empty, channels that do not match, a kernel larger than the padded image,
    results that might overflow (with the bound and what would fit), x outside x_range.
    """
    sides, pads, out_size = check_convolution(x, w, stride, padding, groups)
    kh, kw = w.shape[2:]
    engine = _engine(backend)
    used = threads if threads is not None else processors()
    if not isinstance(used, int) or used < 1:
        raise InputError(f"threads must be a positive integer, not {threads!r}")
    bounds = input_range(x) if x_range is None else x_range
    if x_range is not None and (int(x.min()) < x_range[0] or int(x.max()) > x_range[1]):
        raise InputError(f"x lies in [{int(x.min())}, {int(x.max())}], outside x_range {tuple(x_range)}")
    options: dict[str, object] = {"method": method, "moduli": tuple(moduli), "length": length}
    if kh > LONGEST or kw > LONGEST:
        options |= {
            "x_range": bounds,
            "backend": engine,
            "memory": memory,
            "threads": used,
            "cache": cache,
            "profile": profile,
        }
        return _narrow(_Blocks(x, w, sides, pads, out_size).sum(groups, options), dtype)
    if sides != (1, 1):
        x, w, pads = space_to_depth(x, (kh, kw), sides, pads, out_size), taps_to_depth(w, sides), (0, 0)
    each_in, each_out = x.shape[1] // groups, w.shape[0] // groups
    narrow = np.dtype(dtype) == np.int32
    if np.dtype(dtype) not in (np.dtype(np.int32), np.dtype(np.int64)):
        raise InputError(f"dtype must be int64 or int32, not {np.dtype(dtype).name}")
    if groups > 1 and engine == "compiled" and method != "fermat":
        outputs = _grouped_loops(x, w, pads, groups, bounds, used, narrow, profile, options)
        if outputs is not None:
            return outputs
    parts = [
        Weights(w[g * each_out : (g + 1) * each_out])
        if not cache
        else spectra_cache.find(w[g * each_out : (g + 1) * each_out])
        for g in range(groups)
    ]
    reach = max(max(high, -low) for low, high in (part.interval(*bounds) for part in parts))
    _check_reach(narrow, reach)
    out = np.empty((x.shape[0], w.shape[0], *out_size), np.int32 if narrow else np.int64)
    for g, part in enumerate(parts):
        target = out[:, g * each_out : (g + 1) * each_out]
        unstrided(
            x[:, g * each_in : (g + 1) * each_in],
            part,
            pads,
            bounds,
            target,
            engine,
            memory,
            used,
            profile,
            options,
        )
    if cache:
        spectra_cache.trim()
    return out


def _grouped_loops(
    x: np.ndarray,
    w: np.ndarray,
    padding: tuple[int, int],
    groups: int,
    x_range: tuple[int, int],
    threads: int,
    narrow: bool,
    profile: dict | None,
    options: dict[str, Any],
) -> np.ndarray | None:
    """All groups at once by direct loops, where the plan of a group says loops (depthwise layers); None where
    it does not."""
    outputs, channels, kh, kw = w.shape
    interval = output_range(w, *x_range)
    out = (x.shape[2] + 2 * padding[0] - kh + 1, x.shape[3] + 2 * padding[1] - kw + 1)
    plan = choose((x.shape[0], channels, outputs // groups, kh, kw, *out), *interval, **options)
    if plan.method != "direct":
        return None
    reach = max(interval[1], -interval[0])
    _check_reach(narrow, reach)
    if profile is not None:
        profile.setdefault("plans", []).append(plan)
    return direct(x, w, padding, threads, loop_bits(x_range, reach, w), groups).astype(
        np.int32 if narrow else np.int64, copy=False
    )


def _check_reach(narrow: bool, reach: int) -> None:
    if narrow and reach > 0x7FFFFFFF:
        raise InputError(f"results up to {reach} do not fit int32: use int64")


def _narrow(a: np.ndarray, dtype: type) -> np.ndarray:
    if np.dtype(dtype) == np.int32 and max(int(a.max()), -int(a.min())) > 0x7FFFFFFF:
        raise InputError("results do not fit int32: use int64")
    return a.astype(dtype, copy=False)


class _Blocks:
    """A kernel with more than LONGEST taps a side, as a sum of convolutions with parts of it."""

    def __init__(
        self,
        x: np.ndarray,
        w: np.ndarray,
        stride: tuple[int, int],
        padding: tuple[int, int],
        out: tuple[int, int],
    ) -> None:
        self.x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
        self.w, self.stride, self.out = w, stride, out

    def sum(self, groups: int, options: dict[str, Any]) -> np.ndarray:
        total = np.zeros((self.x.shape[0], self.w.shape[0], *self.out), np.int64)
        reach = 0
        for top in range(0, self.w.shape[2], LONGEST - 1):
            for left in range(0, self.w.shape[3], LONGEST - 1):
                taps = self.w[:, :, top : top + LONGEST - 1, left : left + LONGEST - 1]
                rows = (self.out[0] - 1) * self.stride[0] + taps.shape[2]
                columns = (self.out[1] - 1) * self.stride[1] + taps.shape[3]
                part = convolve(
                    self.x[:, :, top : top + rows, left : left + columns],
                    taps,
                    self.stride,
                    0,
                    groups,
                    **options,
                )
                reach += max(int(part.max()), -int(part.min()))
                if reach >= 1 << 62:
                    raise InputError(f"results up to {reach} may overflow int64")
                total += part
        return total
