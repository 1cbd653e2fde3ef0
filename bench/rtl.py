"""Runs a generated top level in Amaranth's own simulator: no files, no compiler, for small networks by the hundred."""

import random

import numpy as np
from amaranth.sim import Simulator

from fermatnet.hw.top import Top

__all__ = ["Run", "simulate_top", "value_of"]


class Run:
    """``outputs`` int64 (n, K), cycles of the first input and output beat, and of the last output beat of each image."""

    def __init__(self, outputs: np.ndarray, first_in: int, first_out: int, ends: list[int]):
        self.outputs, self.latency, self.ends = outputs, first_out - first_in, ends


def simulate_top(top: Top, images: np.ndarray, *, seed: int | None = None, calm: int = 0, limit: int = 400_000,
                 weights: dict[str, list[int]] | None = None) -> Run:
    """Streams images (n, C, H, W) through; with a seed both sides stall at random, after the first ``calm`` images.

    ``weights``: for each weight port, the words it brings over and over. AssertionError when it stands still, or ``tlast`` is on a wrong beat.
    """
    net = top.design.net
    shape, lanes = top.sink_shape, top.sink_lanes
    field_in, field_out = len(top.s_axis_tdata) // top.source_lanes, len(top.m_axis_tdata) // lanes
    feed = images.transpose(0, 2, 3, 1).reshape(-1, top.source_lanes).tolist()
    words = [sum(value << (k * field_in) for k, value in enumerate(row)) for row in feed]
    channels, height, width = net.types[net.output].shape
    per_image = height * width * channels // lanes
    got: list[list[int]] = []
    first_in: list[int] = []
    ends: list[int] = []
    first_out: list[int] = []
    last_move = [0]
    rngs = [random.Random(seed * 7 + k) if seed is not None else None for k in (1, 2)]
    paces = [rng.choice([0.1, 0.5, 0.8]) if rng else 0.0 for rng in rngs]
    cycle = [0]

    async def count(ctx):
        async for _ in ctx.tick():
            cycle[0] += 1

    async def put(ctx):
        for place, word in enumerate(words):
            while rngs[0] and place >= calm * len(words) // len(images) and rngs[0].random() < paces[0]:
                await ctx.tick()
            ctx.set(top.s_axis_tdata, word)
            ctx.set(top.s_axis_tvalid, 1)
            ready = False
            while not ready:
                *_, ready = await ctx.tick().sample(top.s_axis_tready)
            first_in.append(cycle[0])
            ctx.set(top.s_axis_tvalid, 0)

    async def take(ctx):
        while len(got) < per_image * len(images):
            ready = not (rngs[1] and len(got) >= calm * per_image and rngs[1].random() < paces[1])
            ctx.set(top.m_axis_tready, ready)
            *_, valid, word, last = await ctx.tick().sample(top.m_axis_tvalid, top.m_axis_tdata, top.m_axis_tlast)
            if valid and not first_out:
                first_out.append(cycle[0])
            if valid and ready:
                last_move[0] = cycle[0]
                got.append([value_of(word >> (k * field_out), field_out, shape.signed) for k in range(lanes)])
                assert last == (len(got) % per_image == 0), "tlast is on the wrong beat"
                if last:
                    ends.append(cycle[0])
            assert cycle[0] - last_move[0] < limit, f"deadlock after {len(got)} beats"

    async def bring(ctx, prefix, words):
        place = 0
        ctx.set(getattr(top, f"{prefix}_tvalid"), 1)
        while True:
            ctx.set(getattr(top, f"{prefix}_tdata"), words[place])
            *_, ready = await ctx.tick().sample(getattr(top, f"{prefix}_tready"))
            place = (place + ready) % len(words)

    def brings(prefix, words):
        async def testbench(ctx):
            await bring(ctx, prefix, words)

        return testbench

    simulator = Simulator(top)
    for prefix, contents in (weights or {}).items():
        simulator.add_testbench(brings(prefix, contents), background=True)
    simulator.add_clock(1e-6)
    simulator.add_process(count)
    simulator.add_testbench(put, background=True)
    simulator.add_testbench(take)
    simulator.run()
    outputs = np.array(got, np.int64).reshape(len(images), height, width, channels).transpose(0, 3, 1, 2).reshape(len(images), -1)
    return Run(outputs, first_in[0], first_out[0], ends)


def value_of(word: int, bits: int, signed: bool) -> int:
    """The integer in the low ``bits`` of a word."""
    word &= (1 << bits) - 1
    return word - (1 << bits) if signed and word >> (bits - 1) else word
