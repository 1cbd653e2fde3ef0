"""Drives one block with streams ``i`` and ``o`` in Amaranth's simulator: random stalls on both sides, latency
and rate measured."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import Shape
from amaranth.sim import Simulator


@dataclass
class Run:
    """Output beats (n, lanes) and the cycle numbers of each accepted input and first-valid output."""

    beats: np.ndarray
    accepted: list[int]
    produced: list[int]


def _pack(values, layout) -> int:
    width = Shape.cast(layout.elem_shape).width
    return sum((int(v) & ((1 << width) - 1)) << (k * width) for k, v in enumerate(values))


def _unpack(word: int, layout) -> list[int]:
    shape = Shape.cast(layout.elem_shape)
    fields = [(word >> (k * shape.width)) & ((1 << shape.width) - 1) for k in range(layout.length)]
    return [f - (1 << shape.width) if shape.signed and f >> (shape.width - 1) else f for f in fields]


def drive_stream(block, beats, expected_beats: int, stalls: int | None = None) -> Run:
    """Feed ``beats`` (n, lanes); collect ``expected_beats``, then make sure that nothing more comes. stalls:
    seed, None = never stall."""
    rng = random.Random(stalls)
    i_layout, o_layout = block.i.payload.shape(), block.o.payload.shape()
    out, accepted, produced = [], [], []
    clock = [0]

    async def put(ctx):
        for beat in beats:
            while stalls is not None and rng.random() < 0.4:
                ctx.set(block.i.valid, 0)
                ctx.set(block.i.payload.as_value(), rng.getrandbits(i_layout.size))
                await ctx.tick()
            ctx.set(block.i.payload.as_value(), _pack(beat, i_layout))
            ctx.set(block.i.valid, 1)
            taken = False
            while not taken:
                at = clock[0]
                *_, taken = await ctx.tick().sample(block.i.ready)
            accepted.append(at)
        ctx.set(block.i.valid, 0)

    async def get(ctx):
        held, patience = None, 0
        while len(out) < expected_beats or patience < 30:
            ready = int(stalls is None or rng.random() < 0.6)
            ctx.set(block.o.ready, ready)
            at = clock[0]
            *_, valid, word = await ctx.tick().sample(block.o.valid, block.o.payload.as_value())
            assert held is None or (valid and word == held), "payload or valid dropped while not ready"
            held = word if valid and not ready else None
            if valid and ready:
                produced.append(at)
                out.append(_unpack(word, o_layout))
            patience = 0 if valid else patience + 1
            assert patience < 5000, f"no output after {len(out)} of {expected_beats} beats"

    async def count(ctx):
        while True:
            await ctx.tick()
            clock[0] += 1

    sim = Simulator(block)
    sim.add_clock(1e-6)
    sim.add_testbench(count, background=True)
    sim.add_testbench(put)
    sim.add_testbench(get)
    sim.run()
    assert len(out) == expected_beats and len(accepted) == len(beats)
    return Run(np.array(out, np.int64), accepted, produced)


@pytest.fixture
def drive():
    return drive_stream
