"""Measuring side by side: interleaved rounds, and the cost model's constants on this machine."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fermatnet.model.fermat.software_codegen import lengths
from fermatnet.model.fermat.software_convolution import clear_cache, convolve
from fermatnet.model.fermat.software_plan import BITS, LANES, PACKED_WEIGHT, Costs

__all__ = ["calibrate", "median", "race", "ratio"]

Times = dict[str, list[float]]


def race(calls: dict[str, Callable[[], Any]], rounds: int, once: tuple[str, ...] = (), elapsed: bool = False) -> tuple[Times, dict[str, Any]]:
    """Seconds of each call in `rounds` rounds A B C A B C ..., after one unmeasured call each, and the results of that one.

    Processor time of this process, so that other programs do not count (all calls use one thread), or elapsed time where several threads are at
    work. Those named in `once` are slow and run in the first round only, without the unmeasured call.
    """
    results = {name: call() for name, call in calls.items() if name not in once}
    times: Times = {name: [] for name in calls}
    now = time.perf_counter if elapsed else time.process_time
    gc.disable()
    try:
        for number in range(rounds):
            for name, call in calls.items():
                if name in once and number:
                    continue
                start = now()
                value = call()
                times[name].append(now() - start)
                results.setdefault(name, value)
    finally:
        gc.enable()
    return times, results


def median(values: list[float]) -> float:
    return statistics.median(values)


def ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """(median, least, greatest) of slow / fast over the rounds; a call measured once is compared with every round."""
    pairs = [(slow[min(i, len(slow) - 1)]) / fast[min(i, len(fast) - 1)] for i in range(max(len(slow), len(fast)))]
    return statistics.median(pairs), min(pairs), max(pairs)


def _stages(batch: int, channels: int, outputs: int, moduli: tuple[int, ...], n: int, tile: int, rounds: int) -> tuple[dict[str, float], int]:
    """Least seconds by stage of a layer whose images are one tile each (1 thread, spectra cached), and its number of points."""
    x = np.random.default_rng(0).integers(0, 2, (batch, channels, n, n)).astype(np.int8)
    w = np.zeros((outputs, channels, n - tile + 1, n - tile + 1), np.int8)
    w[:, :, 0, 0] = np.arange(channels) < 8  # results that fit F_3; time does not depend on the values
    best: dict[str, float] = {}
    for _ in range(rounds + 1):
        profile: dict[str, Any] = {}
        start = time.thread_time()
        convolve(x, w, threads=1, moduli=moduli, length=n, profile=profile, dtype=np.int32)
        total = time.thread_time() - start
        profile.pop("plans")
        profile["rest"] = total - sum(profile.values())
        best = {name: min(seconds, best.get(name, seconds)) for name, seconds in profile.items()}
    clear_cache()
    return best, n * n


def calibrate(moduli: tuple[int, ...] = (5,), rounds: int = 5) -> Costs:
    """Measures the constants of `software_plan.Costs` on this machine, one thread: some seconds for each modulus.

    Transforms are timed at every length; the product at two depths, which separates multiply-adds from the join, and at one tile, where reading the
    weights dominates.
    """
    forward: dict[int, dict[int, float]] = {}
    inverse: dict[int, dict[int, float]] = {}
    product, join, stream, call = {}, {}, [], []
    for t in moduli:
        forward[t], inverse[t] = {}, {}
        for n in lengths(BITS[t]):
            if n == 1:
                continue
            batch = max(1, 4096 // (n * n))
            tile = n - 2
            stages, points = _stages(batch, 64, 64, (t,), n, tile, rounds)
            kept = (1 + tile / n) / 2
            forward[t][n] = stages["forward"] / (batch * 64 // LANES[t] * points)
            inverse[t][n] = stages["inverse"] / (batch * 4 * points * kept)
            call.append(stages["rest"])
        forward[t][1], inverse[t][1] = forward[t][4], inverse[t][4]
        batch, outputs = 24, 128
        shallow, points = _stages(batch, 32, outputs, (t,), 16, 12, rounds)
        deep, _ = _stages(batch, 256, outputs, (t,), 16, 12, rounds)
        single, _ = _stages(1, 256, outputs, (t,), 16, 12, rounds)
        panels = points * outputs // 16
        slope = (deep["product"] - shallow["product"]) / (panels * (256 - 32))  # batch multiply-adds and 16 weights
        weights = single["product"] / (panels * 256)
        per_byte = max(0.0, (weights - slope / batch) / (16 * PACKED_WEIGHT[t]) * batch / (batch - 1))
        stream.append(per_byte)
        product[t] = (slope - 16 * PACKED_WEIGHT[t] * per_byte) / batch
        join[t] = max(0.0, shallow["product"] / panels - 32 * slope) / batch
    alone = sum(_stages(16, 64, 64, (t,), 16, 14, rounds)[0]["inverse"] for t in (4, 5))
    both = _stages(16, 64, 64, (4, 5), 16, 14, rounds)[0]["inverse"]
    garner = max(0.0, both - alone) / (16 * 64 * 14 * 14)
    return Costs(forward, inverse, product, join, statistics.median(stream), garner, statistics.median(call))
