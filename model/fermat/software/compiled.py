"""The software convolution's compiled backend: one unstrided group through the C++, chunk by chunk.

`kernels/kernels.cpp` says what the steps are; here the work is cut so that spectra stay within the
caches and the memory that is allowed.
"""

import threading
import time

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software import build as software_build
from fermatnet.model.fermat.software.checks import DTYPES
from fermatnet.model.fermat.software.plan import SoftwarePlan
from fermatnet.model.fermat.software.pricing import MEMBER, PACKED, PACKED_WEIGHT, RESULT, SHALLOW
from fermatnet.model.fermat.software.weights import Spectrum, Weights, address, constants, spaced

__all__ = ["forget_scratch", "run"]

CACHED = 4 << 20
_scratch = threading.local()


def forget_scratch() -> None:
    """Gives back this thread's scratch memory."""
    _scratch.__dict__.clear()


def _borrow(name: str, size: int) -> np.ndarray:
    """`size` bytes of uninitialised scratch, aligned to 64, that the thread keeps from call to call: fresh
    pages cost as much as a transform."""
    have = getattr(_scratch, name, None)
    if have is None or have.nbytes < size + 64:
        have = np.empty(size + 64, np.uint8)
        setattr(_scratch, name, have)
    return have[-have.ctypes.data % 64 :]


class _Stages:
    """Seconds by stage, added up in `profile`: processor time with one thread, which does not count what
    other programs do meanwhile, else elapsed."""

    def __init__(self, profile: dict[str, float] | None, threads: int) -> None:
        self.seconds = {} if profile is None else profile
        self.now = time.thread_time if threads == 1 else time.perf_counter
        self.last = self.now()

    def begin(self) -> None:
        self.last = self.now()

    def end(self, stage: str) -> None:
        moment = self.now()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + moment - self.last
        self.last = moment


def _cut(plan: SoftwarePlan, memory: int) -> tuple[bool, int, int]:
    """Whether product and inverse are one step, outputs in a group, tiles in a chunk; InputError when
    `memory` is too little for one tile."""
    images, channels, outputs = plan.shape[:3]
    points = plan.points[0] * plan.points[1]
    tiles = images * plan.tiles[0] * plan.tiles[1]
    depth = channels + 2  # an estimate, F_4's repeats aside
    per_panel = points * sum(PACKED_WEIGHT[t] for t in plan.moduli) * depth * 16
    panels = -(-outputs // 16)
    group = min(panels, max(1, memory // 2 // per_panel)) * 16
    shallow = channels <= SHALLOW or plan.moduli == (48,)  # 2^48+1 knows no other way
    if shallow:
        per_tile = points * sum(PACKED[t] for t in plan.moduli) * depth
    else:
        per_tile = points * (
            max(PACKED[t] for t in plan.moduli) * depth
            + sum(RESULT[t] for t in plan.moduli) * min(group, panels * 16)
        )
    if per_tile + min(group, 16) // 16 * per_panel > memory:
        raise InputError(f"memory={memory} bytes is too little for one tile: {per_tile + per_panel} would do")
    # spectra of a chunk fit the last cache, unless the weights, read once a chunk, are larger than that
    chunk = min(tiles, max(1, min(memory // 2, max(CACHED, 2 * per_panel * group // 16)) // per_tile))
    return shallow, group, chunk


class _Call:
    """What the steps of one convolution share. Spectra lie in scratch that the thread keeps."""

    def __init__(
        self,
        x: np.ndarray,
        padding: tuple[int, int],
        plan: SoftwarePlan,
        out: np.ndarray,
        threads: int,
        stages: _Stages,
    ) -> None:
        self.x, self.out, self.threads, self.stages = x, out, threads, stages
        self.compiled = software_build.library()
        self.points = plan.points[0] * plan.points[1]
        images, self.channels, _, kh, kw, oh, ow = plan.shape
        strides = [s // x.itemsize for s in x.strides]
        self.geometry = software_build.Geometry(
            images,
            self.channels,
            *x.shape[2:],
            *strides,
            *padding,
            oh,
            ow,
            *plan.tile,
            *plan.points,
            *plan.tiles,
            kh,
            kw,
            DTYPES[x.dtype.name],
        )
        self.out_strides = np.array(out.strides) // out.itemsize
        self.sets = sum(MEMBER[t] for t in plan.moduli)
        self.joining = constants(self.points)  # kept here, because only its address goes on

    def _forward(self, t: int, s: Spectrum, tile: int, count: int, place: str) -> np.ndarray:
        a = _borrow(place, self.points * spaced(count * s.depth * PACKED[t]))
        self.compiled.fermat_forward(
            t, address(self.x), self.geometry, tile, count, s.depth, address(a), self.threads
        )
        if s.extra is not None:
            self.compiled.fermat_augment_tiles(
                count, self.channels, self.points, s.depth, s.repeats, address(s.extra), address(a)
            )
        self.stages.end("forward")
        return a

    def _target(self, first: int, last: int) -> tuple[int | None, int, int | None, int]:
        return (
            address(self.out[:, first:last]),
            int(self.out.itemsize == 8),
            address(self.out_strides),
            self.threads,
        )

    def shallow(self, spectra: dict[int, Spectrum], tile: int, count: int, first: int, last: int) -> None:
        """Tiles tile ... of outputs first..last-1, product and inverse in one step."""
        activations = {t: self._forward(t, s, tile, count, f"activations{t}") for t, s in spectra.items()}
        operands = software_build.Operands.of(
            {t: (address(activations[t]), address(s.packed), s.depth) for t, s in spectra.items()},
            address(self.joining),
        )
        self.compiled.fermat_finish(
            self.sets, operands, self.geometry, tile, count, last - first, *self._target(first, last)
        )
        self.stages.end("finish")

    def deep(self, spectra: dict[int, Spectrum], tile: int, count: int, first: int, last: int) -> None:
        """The same in two steps, one modulus after the other through the first."""
        width = -(-(last - first) // 16) * 16
        results: dict[int, np.ndarray] = {}
        for t, s in spectra.items():
            a = self._forward(t, s, tile, count, "activations")
            results[t] = _borrow(f"results{t}", self.points * spaced(count * width * RESULT[t]))
            shape = (self.points, count, s.depth, last - first, self.threads)
            self.compiled.fermat_multiply(
                t, address(a), address(s.packed), address(self.joining), address(results[t]), *shape
            )
            self.stages.end("product")
        spent = (address(results.get(t)) for t in (3, 4, 5))
        self.compiled.fermat_inverse(
            self.sets, *spent, self.geometry, tile, count, last - first, *self._target(first, last)
        )
        self.stages.end("inverse")


def run(
    x: np.ndarray,
    weights: Weights,
    padding: tuple[int, int],
    plan: SoftwarePlan,
    out: np.ndarray,
    memory: int,
    threads: int,
    profile: dict[str, float] | None,
) -> None:
    """x (n, C, H, W) with weights (O, C, kh, kw) by `plan`, into out (n, O, OH, OW) int64 or int32."""
    outputs, tiles = plan.shape[2], plan.shape[0] * plan.tiles[0] * plan.tiles[1]
    shallow, group, chunk = _cut(plan, memory)
    stages = _Stages(profile, threads)
    call = _Call(x, padding, plan, out, threads, stages)
    step = call.shallow if shallow else call.deep
    for first in range(0, outputs, group):
        last = min(outputs, first + group)
        stages.begin()
        spectra = {t: weights.spectrum(t, plan, first, last, threads, group >= outputs) for t in plan.moduli}
        stages.end("weights")
        for tile in range(0, tiles, chunk):
            step(spectra, tile, min(chunk, tiles - tile), first, last)
