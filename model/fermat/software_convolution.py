"""Exact integer 2-D convolution on numpy arrays by Fermat number transforms: fast, in software.

`convolve` is what the torch operator calls; users without torch call it themselves. It checks its input, bounds the result, lets
`software_plan.choose` pick modulus, transform and tile, brings strides to stride 1 (every phase of the image becomes a channel), and runs one of
three backends: "compiled" (C++), "numpy" (the same steps in numpy, only slower) or "torch" (the same steps in torch, on any device).

The bit-exact model of the hardware is another module (`fermatnet.model.fermat.convolution`); this one shares nothing with it but the mathematics.
"""

import os
import threading
import time
from typing import Any

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat import software_build, software_generic
from fermatnet.model.fermat.software_plan import MEMBER, PACKED, PACKED_WEIGHT, RESULT, SHALLOW, SoftwarePlan, choose, output_interval
from fermatnet.model.fermat.software_weights import WeightCache, Weights, address, constants, spaced

__all__ = [
    "DEFAULT_MEMORY",
    "check_convolution",
    "check_integers",
    "clear_cache",
    "convolve",
    "direct",
    "explain",
    "input_range",
    "pair",
    "plan_for",
    "processors",
    "space_to_depth",
    "spectra_cache",
    "taps_to_depth",
]

DEFAULT_MEMORY = 1 << 30
CACHED = 4 << 20
LONGEST = 33  # taps a side; longer kernels are cut into blocks, because a transform of 64 points would hardly have outputs left
spectra_cache = WeightCache(limit=1 << 30)
_scratch = threading.local()
_DTYPES = {"int8": 0, "uint8": 1, "int16": 2, "int32": 3, "int64": 4}


def clear_cache() -> None:
    """Forgets all weight spectra, and this thread's scratch memory."""
    spectra_cache.clear()
    _scratch.__dict__.clear()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pair(value: object, name: str, least: int) -> tuple[int, int]:
    """An int or two of them as (vertical, horizontal), each at least `least`."""
    both = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(both) != 2 or not all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in both):
        raise InputError(f"{name} must be an integer of at least {least}, or two of them, not {value!r}")
    return both


def check_integers(name: str, a: Any, axes: str) -> Any:
    """a (numpy or torch), if it has a supported integer type and as many axes as `axes` has letters, none of them empty."""
    kind = str(a.dtype).removeprefix("torch.")
    if kind not in _DTYPES:
        raise InputError(f"{name} must hold integers (int8, uint8, int16, int32 or int64), not {kind}: quantise it first")
    if a.ndim != len(axes):
        raise InputError(f"{name} must have {len(axes)} axes ({', '.join(axes)}), not shape {tuple(a.shape)}")
    if 0 in a.shape:
        raise InputError(f"{name} is empty: shape {tuple(a.shape)}")
    return a


def input_range(x: np.ndarray) -> tuple[int, int]:
    """The data's range, widened to whole bits so that batches of one layer get one plan; exact ends where the widening is out of int64."""
    low, high = int(x.min()), int(x.max())
    bits = max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0)
    return (0 if low >= 0 else -(1 << bits)), (1 << bits) - 1


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    return np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_zeros(shape)


def space_to_depth(x: Any, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], out: tuple[int, int]) -> Any:
    """(n, C * phases, rows, columns): phase (r, s) of channel c holds pixels (stride * i + r, stride * j + s) of the padded image."""
    n, channels = x.shape[:2]
    phases = (min(stride[0], kernel[0]), min(stride[1], kernel[1]))
    taps = (-(-kernel[0] // stride[0]), -(-kernel[1] // stride[1]))
    rows, columns = out[0] + taps[0] - 1, out[1] + taps[1] - 1
    result = _zeros(x, (n, channels, *phases, rows, columns))
    for r in range(phases[0]):
        first_row = max(0, -((r - padding[0]) // stride[0]))  # first i with stride * i + r - padding >= 0
        source_row = stride[0] * first_row + r - padding[0]
        for s in range(phases[1]):
            first_column = max(0, -((s - padding[1]) // stride[1]))
            source_column = stride[1] * first_column + s - padding[1]
            part = x[:, :, source_row :: stride[0], source_column :: stride[1]][:, :, : rows - first_row, : columns - first_column]
            result[:, :, r, s, first_row : first_row + part.shape[2], first_column : first_column + part.shape[3]] = part
    return result.reshape(n, channels * phases[0] * phases[1], rows, columns)


def taps_to_depth(w: Any, stride: tuple[int, int]) -> Any:
    """(O, C * phases, taps, taps): the kernel's side of `space_to_depth`."""
    outputs, channels, kh, kw = w.shape
    phases = (min(stride[0], kh), min(stride[1], kw))
    taps = (-(-kh // stride[0]), -(-kw // stride[1]))
    result = _zeros(w, (outputs, channels, *phases, *taps))
    for r in range(phases[0]):
        for s in range(phases[1]):
            part = w[:, :, r :: stride[0], s :: stride[1]]
            result[:, :, r, s, : part.shape[2], : part.shape[3]] = part
    return result.reshape(outputs, channels * phases[0] * phases[1], *taps)


def _borrow(name: str, size: int) -> np.ndarray:
    """`size` bytes of uninitialised scratch, aligned to 64, that the thread keeps from call to call: fresh pages cost as much as a transform."""
    have = getattr(_scratch, name, None)
    if have is None or have.nbytes < size + 64:
        have = np.empty(size + 64, np.uint8)
        setattr(_scratch, name, have)
    return have[-have.ctypes.data % 64 :]


def plan_for(x_shape: tuple[int, ...], weights: Weights, x_range: tuple[int, int], padding: tuple[int, int], **options: object) -> SoftwarePlan:
    """The plan of one unstrided group: x (n, C, H, W) with weights (O, C, kh, kw)."""
    n, channels, height, width = x_shape
    outputs, _, kh, kw = weights.w.shape
    out = (height + 2 * padding[0] - kh + 1, width + 2 * padding[1] - kw + 1)
    return choose((n, channels, outputs, kh, kw, *out), *weights.interval(*x_range), **options)  # type: ignore[arg-type]


def _run_compiled(
    x: np.ndarray,
    weights: Weights,
    padding: tuple[int, int],
    plan: SoftwarePlan,
    out: np.ndarray,
    memory: int,
    threads: int,
    profile: dict[str, float] | None,
) -> None:
    compiled = software_build.library()
    now = time.thread_time if threads == 1 else time.perf_counter  # the former does not count what other programs do meanwhile
    images, channels, outputs, kh, kw, oh, ow = plan.shape
    strides = [s // x.itemsize for s in x.strides]
    points = plan.points[0] * plan.points[1]
    geometry = software_build.Geometry(
        images, channels, *x.shape[2:], *strides, *padding, oh, ow, *plan.tile, *plan.points, *plan.tiles, kh, kw, _DTYPES[x.dtype.name]
    )
    out_strides = np.array(out.strides) // out.itemsize
    tiles = images * plan.tiles[0] * plan.tiles[1]
    depth = channels + 2  # an estimate, F_4's repeats aside
    per_panel = points * sum(PACKED_WEIGHT[t] for t in plan.moduli) * depth * 16
    panels = -(-outputs // 16)
    group = min(panels, max(1, memory // 2 // per_panel)) * 16
    shallow = channels <= SHALLOW or plan.moduli == (48,)  # 2^48+1 knows no other way
    if shallow:
        per_tile = points * sum(PACKED[t] for t in plan.moduli) * depth
    else:
        per_tile = points * (max(PACKED[t] for t in plan.moduli) * depth + sum(RESULT[t] for t in plan.moduli) * min(group, panels * 16))
    if per_tile + min(group, 16) // 16 * per_panel > memory:
        raise InputError(f"memory={memory} bytes is too little for one tile: {per_tile + per_panel} would do")
    # spectra of a chunk fit the last cache, unless the weights, read once a chunk, are larger than that
    chunk = min(tiles, max(1, min(memory // 2, max(CACHED, 2 * per_panel * group // 16)) // per_tile))
    keep = group >= outputs
    called = (int(out.itemsize == 8), address(out_strides), threads)
    sets = sum(MEMBER[t] for t in plan.moduli)
    joining = constants(points)  # named, because only its address goes on
    for first in range(0, outputs, group):
        last = min(outputs, first + group)
        width = -(-(last - first) // 16) * 16
        started = now()
        spectra = {t: weights.spectrum(t, plan, first, last, threads, keep) for t in plan.moduli}
        clock = [started, now()]
        for tile in range(0, tiles, chunk):
            count = min(chunk, tiles - tile)
            activations: dict[int, np.ndarray] = {}
            results: dict[int, np.ndarray] = {}
            for t in plan.moduli:
                s = spectra[t]
                a = activations[t] = _borrow(f"activations{t if shallow else ''}", points * spaced(count * s.depth * PACKED[t]))
                compiled.fermat_forward(t, address(x), geometry, tile, count, s.depth, address(a), threads)
                if s.extra is not None:
                    compiled.fermat_augment_tiles(count, channels, points, s.depth, s.repeats, address(s.extra), address(a))
                clock.append(now())
                if not shallow:
                    results[t] = _borrow(f"results{t}", points * spaced(count * width * RESULT[t]))
                    to = address(results[t])
                    compiled.fermat_multiply(t, address(a), address(s.packed), address(joining), to, points, count, s.depth, last - first, threads)
                    clock.append(now())
            target = address(out[:, first:last])
            if shallow:
                operands = software_build.Operands.of(
                    {t: (address(activations[t]), address(spectra[t].packed), spectra[t].depth) for t in plan.moduli}, address(joining)
                )
                compiled.fermat_finish(sets, operands, geometry, tile, count, last - first, target, *called)
            else:
                compiled.fermat_inverse(sets, *(address(results.get(t)) for t in (3, 4, 5)), geometry, tile, count, last - first, target, *called)
            clock.append(now())
        if profile is not None:
            each = ["forward"] * len(plan.moduli) + ["finish"] if shallow else ["forward", "product"] * len(plan.moduli) + ["inverse"]
            names = ["weights", *each * -(-tiles // chunk)]
            for name, begin, end in zip(names, clock, clock[1:], strict=False):
                profile[name] = profile.get(name, 0.0) + end - begin


def direct(x: np.ndarray, w: np.ndarray, padding: tuple[int, int] = (0, 0), threads: int = 1, bits: int = 64, groups: int = 1) -> np.ndarray:
    """The direct loops, compiled the same way: x (n, C, H, W), w (O, C / groups, kh, kw) -> (n, O, OH, OW) in int64 or int32; the caller knows that
    every sum fits."""
    kind = np.int64 if bits == 64 else np.int32
    n, channels, height, width = x.shape
    outputs, _, kh, kw = w.shape
    oh, ow = height + 2 * padding[0] - kh + 1, width + 2 * padding[1] - kw + 1
    span = -(-ow // 16) * 16 + kw - 1  # rows end in zeros that the last vector may read
    padded = np.zeros((n, channels, height + 2 * padding[0], max(span, width + 2 * padding[1])), kind)
    padded[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = x
    taps = np.ascontiguousarray(w, kind)
    out = np.empty((n, outputs, oh, ow), kind)
    loops = getattr(software_build.library(), f"direct_planes{bits}")
    loops(address(padded), address(taps), address(out), n, groups, channels // groups, *padded.shape[2:], outputs, kh, kw, ow, threads)
    return out


def _loop_bits(x_range: tuple[int, int], reach: int, w: np.ndarray) -> int:
    """32 where the input, the kernels and every sum (up to `reach`, which bounds the partial ones too) fit 32 bits, else 64."""
    inside = max(-x_range[0], x_range[1], int(w.max()), -int(w.min()), reach)
    return 32 if inside <= 0x7FFFFFFF else 64


def _unstrided(
    x: np.ndarray, weights: Weights, padding: tuple[int, int], x_range: tuple[int, int], out: np.ndarray, backend: str, memory: int, threads: int,
    profile: dict[str, float] | None, options: dict[str, object],
) -> None:  # fmt: skip
    plan = plan_for(x.shape, weights, x_range, padding, **options)
    if profile is not None:
        profile.setdefault("plans", []).append(plan)  # type: ignore[arg-type, attr-defined]
    if plan.method == "direct" and backend == "compiled":
        out[...] = direct(x, weights.w, padding, threads, _loop_bits(x_range, max(plan.high, -plan.low), weights.w))
    elif backend == "compiled":
        _run_compiled(x, weights, padding, plan, out, memory, threads, profile)
    else:
        if plan.method == "direct":
            plan = plan_for(x.shape, weights, x_range, padding, **{**options, "method": "fermat"})
        out[...] = software_generic.convolve(x, weights.w, padding, plan, memory)


def check_convolution(x: Any, w: Any, stride: object, padding: object, groups: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """(stride, padding, output size) as pairs, or InputError when the arrays (numpy or torch) and settings do not go together."""
    check_integers("x", x, "nCHW")
    check_integers("w", w, "OIhw")
    sides, pads = pair(stride, "stride", 1), pair(padding, "padding", 0)
    if not isinstance(groups, int) or groups < 1 or x.shape[1] % groups or w.shape[0] % groups:
        raise InputError(f"groups must divide the input's {x.shape[1]} and the output's {w.shape[0]} channels, not {groups!r}")
    if w.shape[1] * groups != x.shape[1]:
        raise InputError(f"channels do not match: x has {x.shape[1]}, w takes {w.shape[1]} in each of {groups} group(s)")
    height, width = x.shape[2] + 2 * pads[0], x.shape[3] + 2 * pads[1]
    if height < w.shape[2] or width < w.shape[3]:
        raise InputError(f"a {w.shape[2]}x{w.shape[3]} kernel is larger than the padded {height}x{width} image")
    return sides, pads, ((height - w.shape[2]) // sides[0] + 1, (width - w.shape[3]) // sides[1] + 1)


def explain(
    x: np.ndarray, w: np.ndarray, stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0, groups: int = 1, *,
    x_range: tuple[int, int] | None = None, moduli: tuple[int, ...] = (), length: int = 0, method: str = "auto",
) -> str:  # fmt: skip
    """What `convolve` would do with these arrays and why, in words; the first group stands for all."""
    sides, _, out_size = check_convolution(x, w, stride, padding, groups)
    n, lines = x.shape[0], []
    if sides != (1, 1):
        lines.append(f"stride {sides[0]}x{sides[1]}: the phases of the image become channels")
        w = taps_to_depth(w, sides)
    if groups > 1:
        lines.append(f"{groups} groups, each:")
    part = w[: w.shape[0] // groups]
    interval = output_interval(part, *(x_range or input_range(x)))
    plan = choose((n, part.shape[1], part.shape[0], *part.shape[2:], *out_size), *interval, method=method, moduli=tuple(moduli), length=length)
    return "\n".join([*lines, plan.explain()])


def convolve(
    x: np.ndarray, w: np.ndarray, stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0, groups: int = 1, *,
    x_range: tuple[int, int] | None = None, moduli: tuple[int, ...] = (), length: int = 0, method: str = "auto", backend: str = "auto",
    memory: int = DEFAULT_MEMORY, threads: int | None = None, dtype: type = np.int64, cache: bool = True, profile: dict | None = None,
) -> np.ndarray:  # fmt: skip
    """Cross-correlation (2.1) of integer images and kernels, exact, by Fermat number transforms.

    Parameters
    ----------
    x: (n, C, H, W) int8, uint8, int16, int32 or int64. w: (O, C / groups, kh, kw), likewise.
    stride, padding: an int or (vertical, horizontal); padding is with zeros on both sides. groups: divides C and O.
    x_range: interval that x is known to lie in; by default the range of the data, widened to whole bits.
    moduli, length, method: force the Fermat numbers (t of F_t), the transform length, or "fermat" or "direct"; see `software_plan.choose`.
    backend: "compiled", "numpy", or "auto": compiled where a C++ compiler is.
    memory: bytes that spectra may take at a time (weights, activations and results of one chunk); the result itself comes on top.
    threads: by default the processors this process may use.
    dtype: numpy.int64, or numpy.int32 where the bound allows.
    cache: keep the weights' spectra for the next call with equal weights.
    profile: a dict that receives seconds by stage (processor time with one thread, else elapsed) and the plans.

    Returns
    -------
    (n, O, OH, OW) int64 (or int32).

    Raises
    ------
    InputError: not integers, empty, channels that do not match, a kernel larger than the padded image, results that might overflow (with the bound
    and what would fit), x outside x_range.
    """
    sides, pads, out_size = check_convolution(x, w, stride, padding, groups)
    kh, kw = w.shape[2:]
    if backend not in ("auto", "compiled", "numpy"):
        raise InputError(f"backend must be auto, compiled or numpy, not {backend!r}")
    if backend == "compiled" and not software_build.available():
        raise InputError(f"the compiled backend cannot be built here: {software_build.why_not()}")
    engine = "compiled" if backend != "numpy" and software_build.available() else "numpy"
    used = threads if threads is not None else processors()
    if not isinstance(used, int) or used < 1:
        raise InputError(f"threads must be a positive integer, not {threads!r}")
    bounds = input_range(x) if x_range is None else x_range
    if x_range is not None and (int(x.min()) < x_range[0] or int(x.max()) > x_range[1]):
        raise InputError(f"x lies in [{int(x.min())}, {int(x.max())}], outside x_range {tuple(x_range)}")
    options: dict[str, object] = {"method": method, "moduli": tuple(moduli), "length": length}
    if kh > LONGEST or kw > LONGEST:
        options |= {"x_range": bounds, "backend": engine, "memory": memory, "threads": used, "cache": cache, "profile": profile}
        return _narrow(_Blocks(x, w, sides, pads, out_size).sum(groups, options), dtype)
    if sides != (1, 1):
        x, w, pads = space_to_depth(x, (kh, kw), sides, pads, out_size), taps_to_depth(w, sides), (0, 0)
    each_in, each_out = x.shape[1] // groups, w.shape[0] // groups
    narrow = np.dtype(dtype) == np.int32
    if np.dtype(dtype) not in (np.dtype(np.int32), np.dtype(np.int64)):
        raise InputError(f"dtype must be int64 or int32, not {np.dtype(dtype).name}")
    if groups > 1 and engine == "compiled" and method != "fermat":
        found = _grouped_loops(x, w, pads, groups, bounds, used, narrow, profile, options)
        if found is not None:
            return found
    parts = [Weights(w[g * each_out : (g + 1) * each_out]) if not cache else spectra_cache.find(w[g * each_out : (g + 1) * each_out]) for g in range(groups)]
    reach = max(max(high, -low) for low, high in (part.interval(*bounds) for part in parts))
    _check_reach(narrow, reach)
    out = np.empty((x.shape[0], w.shape[0], *out_size), np.int32 if narrow else np.int64)
    for g, part in enumerate(parts):
        target = out[:, g * each_out : (g + 1) * each_out]
        _unstrided(x[:, g * each_in : (g + 1) * each_in], part, pads, bounds, target, engine, memory, used, profile, options)
    if cache:
        spectra_cache.trim()
    return out


def _grouped_loops(
    x: np.ndarray, w: np.ndarray, padding: tuple[int, int], groups: int, x_range: tuple[int, int], threads: int, narrow: bool, profile: dict | None,
    options: dict[str, Any],
) -> np.ndarray | None:  # fmt: skip
    """All groups at once by direct loops, where the plan of a group says loops (depthwise layers); None where it does not."""
    outputs, channels, kh, kw = w.shape
    interval = output_interval(w, *x_range)
    out = (x.shape[2] + 2 * padding[0] - kh + 1, x.shape[3] + 2 * padding[1] - kw + 1)
    plan = choose((x.shape[0], channels, outputs // groups, kh, kw, *out), *interval, **options)
    if plan.method != "direct":
        return None
    reach = max(interval[1], -interval[0])
    _check_reach(narrow, reach)
    if profile is not None:
        profile.setdefault("plans", []).append(plan)
    return direct(x, w, padding, threads, _loop_bits(x_range, reach, w), groups).astype(np.int32 if narrow else np.int64, copy=False)


def _check_reach(narrow: bool, reach: int) -> None:
    if narrow and reach > 0x7FFFFFFF:
        raise InputError(f"results up to {reach} do not fit int32: use int64")


def _narrow(a: np.ndarray, dtype: type) -> np.ndarray:
    if np.dtype(dtype) == np.int32 and max(int(a.max()), -int(a.min())) > 0x7FFFFFFF:
        raise InputError("results do not fit int32: use int64")
    return a.astype(dtype, copy=False)


class _Blocks:
    """A kernel with more than LONGEST taps a side, as a sum of convolutions with parts of it."""

    def __init__(self, x: np.ndarray, w: np.ndarray, stride: tuple[int, int], padding: tuple[int, int], out: tuple[int, int]) -> None:
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
                part = convolve(self.x[:, :, top : top + rows, left : left + columns], taps, self.stride, 0, groups, **options)
                reach += max(int(part.max()), -int(part.min()))
                if reach >= 1 << 62:
                    raise InputError(f"results up to {reach} may overflow int64")
                total += part
        return total
