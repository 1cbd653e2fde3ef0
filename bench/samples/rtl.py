"""Runs a generated top level in Amaranth's own simulator: no files, no compiler, for small networks by the
hundred."""

import random

import numpy as np
from amaranth.sim import Simulator

from fermatnet.hw.compiler.top import Top

__all__ = ["Run", "simulate_top", "value_of"]


class Run:
    """``outputs`` int64 (n, K), cycles of the first input and output beat, and of the last output beat of
    each image."""

    def __init__(self, outputs: np.ndarray, first_in: int, first_out: int, ends: list[int]):
        self.outputs, self.latency, self.ends = outputs, first_out - first_in, ends


class _Streams:
    """Both ends of a top level: what goes in, what has come out, and in which cycles."""

    def __init__(self, top: Top, images: np.ndarray, seed: int | None, calm: int, limit: int):
        net = top.design.net
        self.top, self.images, self.calm, self.limit = top, images, calm, limit
        field_in = top.source.pins.field
        mask = (1 << field_in) - 1
        feed = (
            images.reshape(-1, *net.input_shape).transpose(0, 2, 3, 1).reshape(-1, top.source_lanes).tolist()
        )
        self.words = [sum((value & mask) << (k * field_in) for k, value in enumerate(row)) for row in feed]
        self.shape = net.types[net.output].shape
        channels, height, width = self.shape
        self.per_image = height * width * channels // top.sink_lanes
        self.got: list[list[int]] = []
        self.first_in: list[int] = []
        self.first_out: list[int] = []
        self.ends: list[int] = []
        self.cycle = self.last_move = 0
        self.rngs = [random.Random(seed * 7 + k) if seed is not None else None for k in (1, 2)]
        self.paces = [rng.choice([0.1, 0.5, 0.8]) if rng else 0.0 for rng in self.rngs]

    def _waits(self, side: int, place: int, per_image: int) -> bool:
        rng = self.rngs[side]
        return rng is not None and place >= self.calm * per_image and rng.random() < self.paces[side]

    async def count(self, ctx):
        async for _ in ctx.tick():
            self.cycle += 1

    async def put(self, ctx):
        top, per_image = self.top, len(self.words) // len(self.images)
        for place, word in enumerate(self.words):
            while self._waits(0, place, per_image):
                await ctx.tick()
            ctx.set(top.s_axis_tdata, word)
            ctx.set(top.s_axis_tvalid, 1)
            ctx.set(top.s_axis_tlast, place % per_image == per_image - 1)
            ready = False
            while not ready:
                *_, ready = await ctx.tick().sample(top.s_axis_tready)
            self.first_in.append(self.cycle)
            ctx.set(top.s_axis_tvalid, 0)

    async def take(self, ctx):
        top, lanes = self.top, self.top.sink_lanes
        field_out = top.sink.pins.field
        while len(self.got) < self.per_image * len(self.images):
            ready = not self._waits(1, len(self.got), self.per_image)
            ctx.set(top.m_axis_tready, ready)
            *_, valid, word, last = await ctx.tick().sample(
                top.m_axis_tvalid, top.m_axis_tdata, top.m_axis_tlast
            )
            if valid and not self.first_out:
                self.first_out.append(self.cycle)
            if valid and ready:
                self.last_move = self.cycle
                self.got.append(
                    [
                        value_of(word >> (k * field_out), field_out, top.sink_shape.signed)
                        for k in range(lanes)
                    ]
                )
                assert last == (len(self.got) % self.per_image == 0), "tlast is on the wrong beat"
                if last:
                    self.ends.append(self.cycle)
            assert self.cycle - self.last_move < self.limit, f"deadlock after {len(self.got)} beats"
        assert not (top.source.checked and ctx.get(top.error)), "an image of the right length is called wrong"

    def outputs(self) -> np.ndarray:
        channels, height, width = self.shape
        values = np.array(self.got, np.int64).reshape(len(self.images), height, width, channels)
        return values.transpose(0, 3, 1, 2).reshape(len(self.images), -1)


def _bring(top: Top, prefix: str, words: list[int]):
    """A test bench that offers the words over and over on one weight port."""

    async def testbench(ctx):
        place = 0
        ctx.set(getattr(top, f"{prefix}_tvalid"), 1)
        while True:
            ctx.set(getattr(top, f"{prefix}_tdata"), words[place])
            *_, ready = await ctx.tick().sample(getattr(top, f"{prefix}_tready"))
            place = (place + ready) % len(words)

    return testbench


def simulate_top(
    top: Top,
    images: np.ndarray,
    *,
    seed: int | None = None,
    calm: int = 0,
    limit: int = 400_000,
    weights: dict[str, list[int]] | None = None,
) -> Run:
    """Streams images (n, C, H, W) through; with a seed both sides stall at random, after the first ``calm``
    images.

    ``weights``: for each weight port, the words it brings over and over. AssertionError when it stands still,
    or ``tlast`` is on a wrong beat.
    """
    streams, simulator = _Streams(top, images, seed, calm, limit), Simulator(top)
    for prefix, contents in (weights or {}).items():
        simulator.add_testbench(_bring(top, prefix, contents), background=True)
    simulator.add_clock(1e-6)
    simulator.add_process(streams.count)
    simulator.add_testbench(streams.put, background=True)
    simulator.add_testbench(streams.take)
    simulator.run()
    return Run(streams.outputs(), streams.first_in[0], streams.first_out[0], streams.ends)


def value_of(word: int, bits: int, signed: bool) -> int:
    """The integer in the low ``bits`` of a word."""
    word &= (1 << bits) - 1
    return word - (1 << bits) if signed and word >> (bits - 1) else word
