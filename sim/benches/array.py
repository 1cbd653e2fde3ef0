"""Bench of the AND-popcount array: streams windows of piece indices and compares every accumulator with the
reference."""

from typing import Any

import cocotb
import numpy as np

from fermatnet.model.piecewise.convolution import convolve2d
from fermatnet.sim import bench
from fermatnet.sim.streams import block_streams, start, within


def parameters(options: dict[str, Any]) -> tuple[np.ndarray, list[int], list[int]]:
    """Codes and levels of the array: given as lists, or drawn from the seed as ``fermatnet ip array`` draws
    them."""
    if "codes" in options:
        return np.array(options["codes"], np.uint8), options["levels_w"], options["levels_a"]
    levels_w, levels_a = (
        [int(part) for part in options[name].split(",")] for name in ("levels_w", "levels_a")
    )
    shape = (options["outputs"], options["inputs"])
    return (
        np.random.default_rng(options["seed"]).integers(0, len(levels_w), shape, dtype=np.uint8),
        levels_w,
        levels_a,
    )


@cocotb.test()
async def array(dut: Any) -> None:
    """y = sum a_i b_j popcount(T_i AND V_j) for every output of every window, in order, under stalls, at the
    stated latency."""
    settings = bench.load()
    codes, levels_w, levels_a = parameters(settings.options)
    (outputs, inputs), pe, simd = codes.shape, settings.options["pe"], settings.options["simd"]
    windows = np.random.default_rng(settings.seed).integers(
        0, len(levels_a), (settings.vectors, inputs), dtype=np.uint8
    )
    windows[0], windows[1 % len(windows)] = len(levels_a) - 1, 0  # the largest sums, and none
    results = convolve2d(windows[:, :, None, None], codes[:, :, None, None], levels_w, levels_a).reshape(
        settings.vectors, outputs
    )

    index_bits, result_bits = len(dut.i__payload) // simd, len(dut.o__payload) // pe
    beats = []
    for window in windows:
        once = [
            sum(int(value) << (index_bits * lane) for lane, value in enumerate(window[first : first + simd]))
            for first in range(0, inputs, simd)
        ]
        beats += once * (outputs // pe)
    expected = [
        sum(
            (int(value) % (1 << result_bits)) << (result_bits * lane)
            for lane, value in enumerate(row[first : first + pe])
        )
        for row in results
        for first in range(0, outputs, pe)
    ]
    source, sink = block_streams(dut, stalls=settings.stalls)
    await start(dut)
    limit = 50 * len(beats) + 10 * settings.latency + 1000
    _, got = await within(
        limit,
        source.send(beats),
        sink.receive(len(expected)),
        describe=lambda: f"{source.sent} of {len(beats)} beats accepted",
    )
    for at, (have, want) in enumerate(zip(got, expected, strict=True)):
        window, fold = divmod(at, outputs // pe)
        assert have == want, f"window {window}, outputs from {fold * pe}: {have:#x}, expected {want:#x}"
    if (
        settings.stalls is None
        and settings.latency
        and source.first_cycle is not None
        and sink.first_cycle is not None
    ):
        waited = sink.first_cycle - source.first_cycle
        assert waited == settings.latency, (
            f"the first result came after {waited} cycles, stated are {settings.latency}"
        )
        steady = sink.cycles[-1] - sink.cycles[0]
        planned = (len(got) - 1) * (inputs // simd)
        assert steady == planned, (
            f"{len(got)} results took {steady} cycles from the first to the last, not {planned}"
        )
