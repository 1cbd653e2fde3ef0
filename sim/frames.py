"""Checks blocks that take and give frames of single words on streams."""

from typing import Any

import numpy as np

from fermatnet.model.fermat import transform
from fermatnet.model.fermat.number import Number, Ring
from fermatnet.sim import residues
from fermatnet.sim.bench import Bench
from fermatnet.sim.streams import block_streams, start, within

__all__ = ["check_frames", "transformed"]


def transformed(ring: Ring, given: Bench) -> tuple[Number, Number]:
    """Frames of points for a transform's bench, (frames, n), and what the reference makes of them: the
    transform or its inverse."""
    points = given.options["n"]
    frames = max(2, given.vectors // points)
    x = residues.draw(ring, frames * points, given.seed).reshape(frames, points)
    if given.options.get("inverse"):
        return x, transform.inverse(ring, x, scale=given.options.get("scale", True))
    return x, transform.forward(ring, x)


async def check_frames(dut: Any, given: Bench, words: np.ndarray, expected: np.ndarray) -> None:
    """Sends ``words``, receives as many as ``expected``, compares in order; without stalls also latency and
    rate."""
    sent, wanted = [int(word) for word in words.ravel()], [int(word) for word in expected.ravel()]
    source, sink = block_streams(dut, stalls=given.stalls)
    await start(dut)
    limit = 50 * len(sent) + 10 * given.latency + 1000
    _, got = await within(
        limit,
        source.send(sent),
        sink.receive(len(wanted)),
        describe=lambda: f"{source.sent} of {len(sent)} words accepted",
    )
    for at, (have, want) in enumerate(zip(got, wanted, strict=True)):
        assert have == want, f"word {at}: {have:#x}, expected {want:#x}"
    if given.stalls is None and source.first_cycle is not None and sink.first_cycle is not None:
        waited = sink.first_cycle - source.first_cycle
        assert waited == given.latency, (
            f"the first result came after {waited} cycles, stated are {given.latency}"
        )
        assert sink.cycles[-1] - sink.cycles[0] == len(wanted) - 1, "not one word a cycle"
