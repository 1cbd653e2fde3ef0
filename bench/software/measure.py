"""Measuring side by side: interleaved rounds, and the cost model's constants on this machine."""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fermatnet.model.fermat.software.codegen import BITS, lengths
from fermatnet.model.fermat.software.convolution import clear_cache, convolve
from fermatnet.model.fermat.software.pricing import (
    COSTS,
    LANES,
    PACKED,
    PACKED_WEIGHT,
    RESULT,
    SECOND_CACHE,
    SHALLOW,
    Costs,
)

__all__ = ["calibrate", "median", "race", "ratio"]

Times = dict[str, list[float]]


def race(
    calls: dict[str, Callable[[], Any]], rounds: int, once: tuple[str, ...] = (), elapsed: bool = False
) -> tuple[Times, dict[str, Any]]:
    """Seconds of each call in `rounds` rounds A B C A B C ..., after one unmeasured call each, and the
    results of that one.

    Processor time of this process, so that other programs do not count (all calls use one thread), or elapsed
    time where several threads are at work. Those named in `once` are slow and run in the first round only,
    without the unmeasured call.
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
    """The middle value, in the unit of the values."""
    return statistics.median(values)


def ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """(median, least, greatest) of slow / fast over the rounds; a call measured once is compared with every
    round."""
    pairs = [
        (slow[min(i, len(slow) - 1)]) / fast[min(i, len(fast) - 1)] for i in range(max(len(slow), len(fast)))
    ]
    return statistics.median(pairs), min(pairs), max(pairs)


def _stages(
    batch: int, channels: int, outputs: int, moduli: tuple[int, ...], n: int, tile: int, rounds: int
) -> tuple[dict[str, float], int]:
    """Seconds (medians) by stage of a layer whose images are one tile each (1 thread, spectra cached), and
    its number of points."""
    x = np.random.default_rng(0).integers(0, 2, (batch, channels, n, n)).astype(np.int8)
    w = np.zeros((outputs, channels, n - tile + 1, n - tile + 1), np.int8)
    w[:, :, 0, 0] = np.arange(channels) < 8  # results that fit F_3; time does not depend on the values
    by_stage: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        profile: dict[str, Any] = {}
        start = time.thread_time()
        convolve(x, w, threads=1, moduli=moduli, length=n, profile=profile, dtype=np.int32)
        total = time.thread_time() - start
        profile.pop("plans")
        profile["rest"] = total - sum(profile.values())
        for name, seconds in profile.items():
            by_stage.setdefault(name, []).append(seconds)
    clear_cache()
    return {name: median(seconds[1:]) for name, seconds in by_stage.items()}, n * n


def calibrate(moduli: tuple[int, ...] = (5,), rounds: int = 7) -> Costs:
    """Measures the constants of `model.fermat.software.pricing.Costs` here, on one thread: some seconds a
    modulus.

    Transforms are timed at every length, with spectra that the second cache holds; the product at two depths,
    which separates multiply-adds from the join, and with one tile, where reading the weights is all; large
    spectra show what a byte outside the second cache costs, and few channels what is saved where product and
    inverse are one step.
    """
    forward: dict[int, dict[int, float]] = {}
    compare: list[float] = []
    evicted: list[tuple[float, float]] = []
    inverse: dict[int, dict[int, float]] = {}
    product, join, saved, fetch, spill, call = {}, {}, {}, [], [], []
    for t in sorted(moduli):
        forward[t], inverse[t] = {}, {}
        for n in lengths(BITS[t]):
            if n == 1:
                continue
            batch = max(1, 4096 // (n * n))
            tile, channels, outputs = n - 2, 32, 64 if n < 32 else 16  # weights that leave room in the caches
            stages, points = _stages(batch, channels, outputs, (t,), n, tile, rounds)
            kept = (1 + tile / n) / 2
            forward[t][n] = stages["forward"] / (batch * channels // LANES[t] * points)
            inverse[t][n] = stages["inverse"] / (batch * outputs // 16 * points * kept)
            call.append(stages["rest"])
        forward[t][1], inverse[t][1] = forward[t][4], inverse[t][4]
        cold, points = _stages(16, 192, 128, (t,), 16, 14, rounds)  # 38 MB of weights (F_5) pass by
        warm = (16 * points * 192 // LANES[t] * forward[t][16], 16 * points * 8 * inverse[t][16] * 15 / 16)
        sizes = (points * 16 * 192 * PACKED[t], points * 16 * 128 * RESULT[t])
        sides = [
            max(0.0, cold[name] - warm[side]) / sizes[side]
            for side, name in enumerate(("forward", "inverse"))
        ]
        evicted.append((sides[0], sides[1]))
        batch, outputs, n, tile = 24, 128, 16, 12
        few, most = (_stages(batch, channels, outputs, (t,), n, tile, rounds)[0] for channels in (32, 256))
        single, points = _stages(1, 256, outputs, (t,), n, tile, rounds)
        panels, read = points * outputs // 16, points * outputs * 256 * PACKED_WEIGHT[t]
        # to write results where the weights have passed
        fetched = points * batch * outputs * RESULT[t] * evicted[-1][0] / 2
        # seconds a channel: `batch` multiply-adds and reading the weights
        deeper = (most["product"] - fetched - few["product"]) / (256 - 32)
        joins = max(0.0, few["product"] - 32 * deeper)
        fetch.append(single["product"] / read)
        compare.append(max(0.0, single["rest"] - call[-1]) / (256 * outputs * (n - tile + 1) ** 2))
        product[t] = (deeper - single["product"] / 256) / (panels * batch)
        join[t] = joins / (panels * batch)
        kept = (1 + (tile + 1) / n) / 2
        together, _ = _stages(batch, SHALLOW, outputs, (t,), n, tile, rounds)
        apart = panels * batch * (SHALLOW * product[t] + join[t] + inverse[t][n] * kept)
        saved[t] = (apart - together["finish"]) / (panels * batch)
        large, points = _stages(16, 64, 64, (t,), 32, 30, rounds)  # spectra of several megabytes
        each = points * 16 * 64
        spilled = (
            large["forward"]
            + large["inverse"]
            - 16 * points * (64 // LANES[t] * forward[t][32] + 4 * inverse[t][32] * 31 / 32)
        )
        spilled -= each * (PACKED[t] * evicted[-1][0] + RESULT[t] * evicted[-1][1])
        spill.append(max(0.0, spilled) / (each * (PACKED[t] + RESULT[t]) - 2 * SECOND_CACHE))
    alone = sum(_stages(16, 64, 64, (t,), 16, 14, rounds)[0]["inverse"] for t in (4, 5))
    both = _stages(16, 64, 64, (4, 5), 16, 14, rounds)[0]["inverse"]
    garner = max(0.0, both - alone) / (16 * 64 * 14 * 14)
    middle = statistics.median
    # what memory costs belongs to the machine, and shows best with the largest modulus, whose spectra are the
    # largest
    return Costs(
        forward,
        inverse,
        product,
        join,
        fetch[-1],
        spill[-1],
        evicted[-1],
        compare[-1],
        garner,
        middle(call),
        saved,
        COSTS.direct,
    )
