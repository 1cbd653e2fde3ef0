"""Bench of the convolver: whole images against a direct convolution in int64, which knows nothing of transforms."""

from typing import Any

import cocotb
import numpy as np

from fermatnet.sim import bench
from fermatnet.sim.streams import block_streams, start, within


def direct(images: np.ndarray, weight: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """Cross-correlation by its definition, int64 (n, O, OH, OW), zeros around."""
    padded = np.pad(images.astype(np.int64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwyx,ocyx->nohw", windows, weight)


@cocotb.test()
async def convolver(dut: Any) -> None:
    """Raster order in, raster order out, channels ascending, one value a beat, under stalls."""
    given = bench.load()
    options = given.options
    reach = (1 << (options["weight_bits"] - 1)) - 1
    shape = (options["outputs"], options["inputs"], options["kernel"], options["kernel"])
    weight = np.random.default_rng(options["seed"]).integers(-reach, reach + 1, shape)  # as `fermatnet ip convolver` draws them
    size = options["inputs"] * options["height"] * options["width"]
    count = max(2, given.vectors // size)
    top = (1 << options["input_bits"]) - 1
    images = np.random.default_rng(given.seed).integers(0, top + 1, (count, options["inputs"], options["height"], options["width"]))
    images[0] = top  # the largest sums
    expected = direct(images, weight, options["stride"], options["pad"])

    bits = len(dut.o__payload)
    sent = [int(value) for value in images.transpose(0, 2, 3, 1).ravel()]
    wanted = [int(value) for value in expected.transpose(0, 2, 3, 1).ravel()]
    source, sink = block_streams(dut, stalls=given.stalls)
    await start(dut)
    limit = 50 * (len(sent) + len(wanted)) + 20 * given.latency + 20_000

    def stuck() -> str:
        return f"{source.sent} of {len(sent)} beats accepted, {len(sink.cycles)} of {len(wanted)} received"

    _, got = await within(limit, source.send(sent), sink.receive(len(wanted)), describe=stuck)
    for at, (have, want) in enumerate(zip(got, wanted, strict=True)):
        pixel, channel = divmod(at, options["outputs"])
        value = have - (1 << bits) if have >> (bits - 1) else have
        assert value == want, f"output pixel {pixel}, channel {channel}: {value}, expected {want}"
    if given.stalls is None and given.latency and source.first_cycle is not None and sink.first_cycle is not None:
        waited = sink.first_cycle - source.first_cycle
        assert waited == given.latency, f"the first result came after {waited} cycles, stated are {given.latency}"
