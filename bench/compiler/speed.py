"""Generated networks on Verilator: images a second, what share of it is Python, and a residual stage of
PA-ResNet18 at its real size."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.samples.shapes import LEVELS_W, pa_resnet
from fermatnet.hw.compiler import generate as network
from fermatnet.model.network import Network
from fermatnet.model.network import run as reference
from fermatnet.model.network.nodes import Add, Affine, PiecewiseConv, Threshold
from fermatnet.sim import packing
from fermatnet.sim.network import simulate

__all__ = ["SPEED", "residual_stage", "speed_row", "stage_row"]


def _digits() -> Network:
    """The network of the demo with any levels (half a minute)."""
    from fermatnet.model.train.finished import export_run
    from fermatnet.model.train.run import train

    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        train("digits", "digits", Path(scratch) / "run", seed=0)
        return export_run(Path(scratch) / "run")


SPEED = {
    "digits 8x8": (_digits, 4_608, 1_000),
    "PA-ResNet8 32x32": (lambda: pa_resnet((3, 32, 32), (16, 32, 64), (1, 1, 1)), 40_000, 60),
}
"""Network, cycles an image, images."""


def _images(net: Network, count: int) -> np.ndarray:
    low, high = net.input_range
    return np.random.default_rng(0).integers(low, high + 1, (count, *net.input_shape)).astype(np.uint8)


def speed_row(name: str) -> dict[str, Any]:
    """A short and a long run. Python's share of the long one: what a run takes that streams nothing (the line
    through both at no images: starting, loading, ending), and packing and unpacking the images."""
    make, cycles, count = SPEED[name]
    net = make()
    images, few = _images(net, count), max(2, count // 10)
    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        made = network.generate(net, Path(scratch) / "out", cycles=cycles)
        built = simulate(Path(scratch) / "out", images[:2])
        short, result = simulate(Path(scratch) / "out", images[:few]), simulate(Path(scratch) / "out", images)
    started, port, out = time.perf_counter(), made["input"], made["output"]
    beats = packing.pack(images, port["lanes"], port["element_bits"])
    octets = bytes.fromhex(beats[:, ::-1].tobytes().hex())
    outputs = packing.pack(result.outputs.reshape(count, *out["shape"]), out["lanes"], out["element_bits"])
    packing.unpack(outputs, tuple(out["shape"]), out["lanes"], out["element_bits"], out["element_signed"])
    packed = time.perf_counter() - started
    assert len(octets) == beats.size
    per_image = (result.seconds - short.seconds) / (count - few)
    python = min(result.seconds, max(0.0, short.seconds - few * per_image) + packed)
    return {
        "network": name,
        "images": count,
        "exact": bool(np.array_equal(result.outputs, reference(net, images))),
        "cycles_per_image": result.cycles_per_image,
        "predicted": made["cycles_per_image"],
        "latency": result.first_latency,
        "predicted_latency": made["latency_cycles"],
        "build_seconds": round(built.build_seconds, 1),
        "images_per_second": round(count / result.seconds, 1),
        "cycles_per_second": round(result.cycles / result.seconds),
        "python_share": round(python / result.seconds, 3),
    }


def residual_stage(
    channels: int = 64, width: int = 128, side: int = 56, blocks: int = 2, seed: int = 0
) -> Network:
    """Stage 2 of PA-ResNet18 (M = 4, N = 5) by itself: a block with stride 2 and a 1x1 downsampling
    convolution, then plain blocks.
    Its input are 8-bit values instead of the 12-bit sums of stage 1."""
    rng, levels_w, levels_a = np.random.default_rng(seed), np.array(LEVELS_W[4]), np.arange(6) * 3
    nodes: list[Any] = []

    def add(node: Any) -> str:
        nodes.append(node)
        return str(node.name)

    def act(name: str, x: str, count: int, low: int, high: int) -> str:
        limits = np.sort(rng.integers(low, high, (count, 5)), axis=1)
        return add(Threshold(name, (x,), limits, rng.choice([-1, 1], count, p=[0.1, 0.9]).astype(np.int8)))

    def conv(name: str, x: str, out: int, into: int, kernel: int, stride: int = 1) -> str:
        codes = rng.integers(0, 5, (out, into, kernel, kernel), dtype=np.uint8)
        return add(PiecewiseConv(name, (x,), codes, levels_w, levels_a, (stride, stride), (kernel // 2,) * 4))

    def scale(name: str, x: str) -> str:
        return add(
            Affine(name, (x,), rng.integers(1, 64, width), rng.integers(-64, 64, width), 6, -2048, 2047)
        )

    x, into = "image", channels
    for block in range(1, blocks + 1):
        name, spread = f"b{block}", 4000
        index = act(f"{name}_act1", x, into, *((0, 256) if block == 1 else (-2000, 2000)))
        main = act(
            f"{name}_act2",
            conv(f"{name}_conv1", index, width, into, 3, 2 if block == 1 else 1),
            width,
            -spread,
            spread,
        )
        main = scale(f"{name}_scale", conv(f"{name}_conv2", main, width, width, 3))
        if block == 1:
            x = scale(f"{name}_down_scale", conv(f"{name}_down", index, width, into, 1, 2))
        x, into = add(Add(f"{name}_add", (main, x))), width
    return Network(nodes, (channels, side, side))


def stage_row(side: int = 56, cycles: int = 2_000_000, count: int = 2) -> dict[str, Any]:
    """The stage at real channels (and at its real 56x56 unless told otherwise), bit for bit, free running and
    under stalls."""
    net = residual_stage(side=side)
    images = _images(net, count)
    with tempfile.TemporaryDirectory(prefix="fermatnet-compile-") as scratch:
        made = network.generate(net, Path(scratch) / "out", cycles=cycles, external="none")
        free = simulate(Path(scratch) / "out", images)
        stalled = simulate(Path(scratch) / "out", images[:1], stalls=1)
    expected = reference(net, images)
    return {
        "stage": "PA-ResNet18 stage 2, 64 to 128 channels",
        "input": f"{side}x{side}",
        "images": count,
        "values": int(expected.size),
        "exact": bool(np.array_equal(free.outputs, expected)),
        "exact_stalled": bool(np.array_equal(stalled.outputs, expected[:1])),
        "cycles_per_image": free.cycles_per_image,
        "predicted": made["cycles_per_image"],
        "latency": free.first_latency,
        "predicted_latency": made["latency_cycles"],
        "build_seconds": round(free.build_seconds, 1),
        "cycles_per_second": round(free.cycles / free.seconds),
    }
