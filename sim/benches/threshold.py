"""Bench of the threshold unit: piece indices against the definition, counted in Python."""

from typing import Any

import cocotb
import numpy as np

from fermatnet.sim import bench
from fermatnet.sim.streams import block_streams, start, within


@cocotb.test()
async def threshold(dut: Any) -> None:
    """index = how many thresholds of the channel the value (negated where the sign says so) reaches."""
    settings = bench.load()
    channels, lanes, bits, pieces = (
        settings.options[name] for name in ("channels", "lanes", "bits", "pieces")
    )
    # as `fermatnet ip threshold` draws them
    draw, reach = np.random.default_rng(settings.options["seed"]), 1 << bits - 1
    rows = np.sort(draw.integers(-reach, reach, (channels, pieces)), axis=1)
    signs = draw.choice([-1, 1], channels)
    pixels = max(4, settings.vectors // channels)
    values = np.random.default_rng(settings.seed).integers(-reach, reach, (pixels, channels))
    values[0] = rows[:, 0] * signs  # on a threshold
    values = values.clip(-reach, reach - 1)

    in_bits, out_bits = len(dut.i__payload) // lanes, len(dut.o__payload) // lanes
    sent, wanted = [], []
    for row in values:
        for first in range(0, channels, lanes):
            beat, answer = 0, 0
            for lane in range(lanes):
                value, channel = int(row[first + lane]), first + lane
                index = sum(int(signs[channel]) * value >= int(edge) for edge in rows[channel])
                beat |= (value % (1 << in_bits)) << (in_bits * lane)
                answer |= index << (out_bits * lane)
            sent.append(beat)
            wanted.append(answer)
    source, sink = block_streams(dut, stalls=settings.stalls)
    await start(dut)
    _, got = await within(50 * len(sent) + 1000, source.send(sent), sink.receive(len(wanted)))
    for at, (have, want) in enumerate(zip(got, wanted, strict=True)):
        pixel, group = divmod(at, channels // lanes)
        assert have == want, f"pixel {pixel}, channels from {group * lanes}: {have:#x}, expected {want:#x}"
