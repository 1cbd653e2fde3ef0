"""Bench of the convolver: whole images against a direct convolution in int64, which knows nothing of
transforms."""

from typing import Any

import cocotb
import numpy as np

from fermatnet.sim import bench
from fermatnet.sim.streams import block_streams, start, within


def direct(images: np.ndarray, weight: np.ndarray, stride: int, pad: int, group: int) -> np.ndarray:
    """Cross-correlation by its definition, int64 (n, O, OH, OW), zeros around."""
    padded = np.pad(images.astype(np.int64), ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))[
        :, :, ::stride, ::stride
    ]
    parts = zip(np.split(windows, group, axis=1), np.split(weight, group), strict=True)
    return np.concatenate([np.einsum("nchwyx,ocyx->nohw", x, w) for x, w in parts], axis=1)


def kernels(options: dict[str, Any]) -> np.ndarray:
    """The file's weights, or the example weights that ``fermatnet ip convolver`` draws."""
    if options["weights"]:
        return np.load(options["weights"], allow_pickle=False).astype(np.int64)
    top = 1 << (options["weight_bits"] - 1)
    shape = (options["outputs"], options["inputs"] // options["group"], options["kernel"], options["kernel"])
    return np.random.default_rng(options["seed"]).integers(-top, top, shape)


def words(values: np.ndarray, lanes: int, bits: int) -> list[int]:
    """(n, C, H, W) as beats in raster order: ``lanes`` two's-complement channels of ``bits`` bits each, lane
    0 lowest."""
    rows = (values.transpose(0, 2, 3, 1).reshape(-1, lanes) & ((1 << bits) - 1)).tolist()
    return [sum(value << (bits * lane) for lane, value in enumerate(row)) for row in rows]


@cocotb.test()
async def convolver(dut: Any) -> None:
    """Raster order in, raster order out, channels ascending, under stalls; the first image holds the largest
    inputs."""
    settings = bench.load()
    options = settings.options
    size = options["inputs"] * options["height"] * options["width"]
    count = max(2, settings.vectors // size)
    low, high = (
        (-(1 << (options["input_bits"] - 1)), (1 << (options["input_bits"] - 1)) - 1)
        if options["signed"]
        else (0, (1 << options["input_bits"]) - 1)
    )
    images = np.random.default_rng(settings.seed).integers(
        low, high + 1, (count, options["inputs"], options["height"], options["width"])
    )
    images[0] = max(low, high, key=abs)
    expected = direct(images, kernels(options), options["stride"], options["pad"], options["group"])

    lanes = options["lanes_out"]
    bits = len(dut.o__payload) // lanes
    sent = words(images, options["lanes_in"], len(dut.i__payload) // options["lanes_in"])
    wanted = words(expected, lanes, bits)
    source, sink = block_streams(dut, stalls=settings.stalls)
    await start(dut)
    limit = 50 * (len(sent) + len(wanted)) + 20 * settings.latency + 20_000

    def stuck() -> str:
        return f"{source.sent} of {len(sent)} beats accepted, {len(sink.cycles)} of {len(wanted)} received"

    _, got = await within(limit, source.send(sent), sink.receive(len(wanted)), describe=stuck)
    for at, (have, want) in enumerate(zip(got, wanted, strict=True)):
        pixel, group = divmod(at, options["outputs"] // lanes)
        assert have == want, (
            f"output pixel {pixel}, channels from {group * lanes}: {have:#x}, expected {want:#x}"
        )
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
