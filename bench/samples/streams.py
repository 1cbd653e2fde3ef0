"""Runs a top level of several inputs or outputs in Amaranth's own simulator: every stream by itself, each
with stalls of its own."""

import random

import numpy as np
from amaranth.sim import Simulator

from fermatnet.bench.samples.rtl import value_of
from fermatnet.hw.compiler.top import Top

__all__ = ["Streams", "simulate_streams"]

CHOICES = (0.0, 0.2, 0.6)  # of stalled cycles


class Streams:
    """``outputs``: int64 (n, K) by name; ``ends``: cycle of each image's last beat by name."""

    def __init__(self, top: Top, images: dict[str, np.ndarray], seed: int | None, limit: int):
        self.top, self.images, self.limit = top, images, limit
        self.seed, self.cycle, self.moved = seed, 0, 0
        self.outputs: dict[str, np.ndarray] = {}
        self.ends: dict[str, list[int]] = {}

    def _pace(self, name: str) -> tuple[random.Random, float]:
        rng = random.Random(f"{self.seed} {name}")
        return rng, 0.0 if self.seed is None else rng.choice(CHOICES)

    def feeder(self, prefix, source, values, short):
        """A test bench that brings one input; image ``short`` without its last beat."""
        top, (rng, pace) = self.top, self._pace(prefix)
        rows = values.transpose(0, 2, 3, 1).reshape(-1, source.lanes).tolist()
        field = source.pins.field
        mask = (1 << field) - 1

        async def put(ctx):
            for place, row in enumerate(rows):
                image, beat = divmod(place, source.beats)
                if image == short and beat == source.beats - 1:
                    continue
                while rng.random() < pace:
                    await ctx.tick()
                word = sum((value & mask) << (k * field) for k, value in enumerate(row))
                ctx.set(getattr(top, f"{prefix}_tdata"), word)
                ctx.set(getattr(top, f"{prefix}_tlast"), beat == source.beats - 1 - (image == short))
                ctx.set(getattr(top, f"{prefix}_tvalid"), 1)
                ready = False
                while not ready:
                    *_, ready = await ctx.tick().sample(getattr(top, f"{prefix}_tready"))
                self.moved = self.cycle
                ctx.set(getattr(top, f"{prefix}_tvalid"), 0)

        return put

    def taker(self, name, prefix, sink, shape, count):
        """A test bench that takes one output."""
        top, (rng, pace) = self.top, self._pace(prefix)
        got, ends = [], self.ends.setdefault(name, [])
        packet: list[list[int]] = []
        ports = [getattr(top, f"{prefix}_{part}") for part in ("tvalid", "tdata", "tlast", "tuser")]

        async def take(ctx):
            while len(got) < sink.beats * count:
                ready = rng.random() >= pace
                ctx.set(getattr(top, f"{prefix}_tready"), ready)
                *_, valid, word, last, bad = await ctx.tick().sample(*ports)
                assert self.cycle - self.moved < self.limit, f"{name} stands still after {len(got)} beats"
                if not (valid and ready):
                    continue
                self.moved, field = self.cycle, sink.pins.field
                lanes = [value_of(word >> k * field, field, sink.shape.signed) for k in range(sink.lanes)]
                packet.append(lanes)
                assert last == (len(packet) == sink.beats), f"{name}: tlast is on the wrong beat"
                if last:
                    got.extend(() if bad else packet)
                    packet.clear()
                    ends.append(self.cycle)
            ctx.set(getattr(top, f"{prefix}_tready"), 0)
            channels, height, width = shape
            values = np.array(got, np.int64).reshape(count, height, width, channels)
            self.outputs[name] = values.transpose(0, 3, 1, 2).reshape(count, -1)

        return take

    async def count(self, ctx):
        """The clock's cycles."""
        async for _ in ctx.tick():
            self.cycle += 1


def simulate_streams(
    top: Top,
    images: dict[str, np.ndarray],
    *,
    seed: int | None = None,
    limit: int = 20_000,
    short: tuple[str, int] | None = None,
) -> Streams:
    """Streams images, (n, C, H, W) by the input's name, through; with a seed every stream stalls at random.

    ``short``: an input and an image of it that comes without its last beat; then one image less is expected.
    AssertionError when it stands still, ``tlast`` is on a wrong beat, or images are called wrong that are
    not, or the other way round.
    """
    net = top.design.net
    streams, simulator = Streams(top, images, seed, limit), Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_process(streams.count)
    for net_input, prefix, source in zip(net.inputs, top.source_ports, top.sources, strict=True):
        values = images[net_input.name].reshape(-1, *net_input.shape)
        place = short[1] if short is not None and short[0] == net_input.name else None
        simulator.add_testbench(streams.feeder(prefix, source, values, place), background=True)
    count = len(next(iter(images.values()))) - (short is not None)

    async def errors(ctx):
        while len(streams.outputs) < len(net.outputs):
            await ctx.tick()
        assert ctx.get(top.error_count) == (short is not None), "the wrong images are called wrong"

    simulator.add_testbench(errors)
    for name, prefix, sink in zip(net.outputs, top.sink_ports, top.sinks, strict=True):
        simulator.add_testbench(streams.taker(name, prefix, sink, net.types[name].shape, count))
    simulator.run()
    return streams
