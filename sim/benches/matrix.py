"""Bench of a constant matrix: every result of every vector against Python's integers."""

from typing import Any

import cocotb
import numpy as np

from fermatnet.hw.ip.matrix import read_matrix
from fermatnet.sim import bench
from fermatnet.sim.streams import block_streams, start, within


def vectors(weight: np.ndarray, bits: int, signed: bool, count: int, seed: int) -> list[list[int]]:
    """The extremes, for each output the vectors of its largest and smallest result, and random ones."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    ends = [np.where(row > 0, *pair) for row in weight for pair in ((high, low), (low, high))]
    drawn = np.random.default_rng(seed).integers(low, high + 1, (count, weight.shape[1]))
    flat = [np.full(weight.shape[1], end) for end in (low, high)]
    return [[int(value) for value in vector] for vector in (*flat, *ends, *drawn)]


@cocotb.test()
async def matrix(dut: Any) -> None:
    """y = W x for every vector, in order, under stalls, at the stated latency, one a cycle."""
    settings = bench.load()
    options, listed = settings.options, settings.options["weights"]
    weight = np.array(listed) if isinstance(listed, list) else read_matrix(listed)
    rows, bits = [[int(value) for value in row] for row in weight], options["input_bits"]
    sent = vectors(weight, bits, options["signed"], settings.vectors, settings.seed)
    result_bits = len(dut.o__payload) // len(rows)

    def packed(values: list[int], width: int) -> int:
        return sum((value % (1 << width)) << width * lane for lane, value in enumerate(values))

    def times(row: list[int], vector: list[int]) -> int:
        return sum(w * v for w, v in zip(row, vector, strict=True))

    beats = [packed(vector, bits) for vector in sent]
    expected = [packed([times(row, vector) for row in rows], result_bits) for vector in sent]
    source, sink = block_streams(dut, stalls=settings.stalls)
    await start(dut)
    _, got = await within(
        50 * len(beats) + 10 * settings.latency + 1000,
        source.send(beats),
        sink.receive(len(expected)),
        describe=lambda: f"{source.sent} of {len(beats)} vectors accepted",
    )
    for at, (have, want) in enumerate(zip(got, expected, strict=True)):
        assert have == want, f"vector {at}: {have:#x}, expected {want:#x}"
    if settings.stalls is None and source.first_cycle is not None and sink.first_cycle is not None:
        waited, steady = sink.first_cycle - source.first_cycle, sink.cycles[-1] - sink.cycles[0]
        assert waited == settings.latency, f"latency {waited} cycles, stated are {settings.latency}"
        assert steady == len(got) - 1, f"{len(got)} results took {steady} cycles, not one each"
