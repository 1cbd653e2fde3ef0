"""Images of the wrong length, under random stalls, through a top level in Amaranth's own simulator."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from fermatnet.bench.samples.rtl import value_of
from fermatnet.hw.compiler.top import Top

__all__ = ["Outcome", "beats_of_images", "packets", "run_packets"]

Beat = tuple[list[int], int, int]


@dataclass
class Outcome:
    """What came out, and the flags at the end.

    ``valid``: int64 (n, K), images without a mark; ``marked``: how many ended with ``m_axis_tuser``;
    ``rest``: beats of an image that has not ended. ``beats``: (values of the lanes, tlast, tuser) of each
    beat, in one list from each reset to the next (``valid`` and ``marked`` are those of the last list).
    """

    valid: np.ndarray
    marked: int
    error: int
    error_count: int
    rest: int
    beats: list[list[Beat]] = field(repr=False, default_factory=list)


def beats_of_images(top: Top, images: np.ndarray) -> list[list[int]]:
    """The words of ``s_axis_tdata`` of each image, uint8 (n, C, H, W)."""
    bits, lanes = top.source.pins.field, top.source_lanes
    rows = images.transpose(0, 2, 3, 1).reshape(len(images), -1, lanes).tolist()
    return [[sum(value << (k * bits) for k, value in enumerate(row)) for row in image] for image in rows]


def packets(
    images: Sequence[Sequence[int]], wrong: Sequence[str], rng: random.Random
) -> list[tuple[list[tuple[int, int]], bool]]:
    """The images as they are, with an image of each kind of ``wrong`` before the first and then between them.

    Kinds: "short" (at least one beat missing), "long" (one to four too many), "split" (a whole image's
    beats with two ``tlast``), "one" (a single beat). Each entry holds (word, tlast) by beat, and whether
    the image is right.
    """
    stream: list[tuple[list[tuple[int, int]], bool]] = []
    beats = len(images[0])

    def add(words: Sequence[int], good: bool) -> None:
        stream.append(([(word, k == len(words) - 1) for k, word in enumerate(words)], good))

    every = max(1, len(images) // max(1, len(wrong)))
    todo = list(wrong)
    for place, image in enumerate(images):
        if place % every == 0 and todo:
            kind, noise = todo.pop(0), [rng.choice(rng.choice(images)) for _ in range(beats + 4)]
            if kind in ("short", "one") and beats > 1:
                add(noise[: 1 if kind == "one" else rng.randrange(1, beats)], False)
            elif kind == "split" and beats > 1:
                cut = rng.randrange(1, beats)
                add(noise[:cut], False)
                add(noise[cut:beats], False)
            else:
                add(noise[: beats + rng.randrange(1, 5)], False)
        add(image, True)
    return stream


def run_packets(
    top: Top,
    sent: list[tuple[list[tuple[int, int]], bool]],
    *,
    seed: int | None = None,
    limit: int = 20_000,
    resets: Sequence[int] = (),
    kept: Callable[[int], int] | None = None,
) -> Outcome:
    """Streams the packets through; with a seed both sides stall at random.

    AssertionError when it stands still for ``limit`` cycles.

    ``resets``: places among all beats before which reset is given for a cycle; before the packet that ends
    with one all results come out. ``kept``: ``s_axis_tkeep`` by place among all beats.
    """
    beats = [beat for packet, _ in sent for beat in packet]
    rngs = [random.Random(f"{seed} {side}") if seed is not None else None for side in range(2)]
    paces = [rng.choice([0.1, 0.5, 0.8]) if rng else 0.0 for rng in rngs]
    bits, lanes, checked = top.sink.pins.field, top.sink_lanes, top.source.checked
    got: list[list[Beat]] = [[]]
    patience = 4 * (top.latency + top.cycles) + 200
    starts = _starts(sent, resets)
    m, domain = Module(), ClockDomain("sync")
    m.domains.sync, m.submodules.top = domain, top
    finished, flags = [0], [0, 0]

    def stalls(side):
        rng = rngs[side]
        return rng is not None and rng.random() < paces[side]

    async def put(ctx):
        for place, (word, last) in enumerate(beats):
            if place in resets:
                ctx.set(domain.rst, 1)
                ctx.set(
                    top.s_axis_tvalid, place % 2
                )  # what is offered during reset is lost, whatever tready says
                await ctx.tick()
                ctx.set(domain.rst, 0)
                ctx.set(top.s_axis_tvalid, 0)
                got.append([])
            if place in starts:
                await ctx.tick().repeat(patience)
            while stalls(0):
                await ctx.tick()
            ctx.set(top.s_axis_tdata, word)
            ctx.set(top.s_axis_tlast, last)
            if kept is not None:
                ctx.set(top.s_axis_tkeep, kept(place))
            ctx.set(top.s_axis_tvalid, 1)
            waited, ready = 0, False
            while not ready:
                *_, ready = await ctx.tick().sample(top.s_axis_tready)
                waited += 1
                assert waited < limit, f"beat {place} is not taken"
            ctx.set(top.s_axis_tvalid, 0)
        finished[0] = 1

    async def take(ctx):
        held, quiet = None, 0
        user = top.m_axis_tuser if checked else top.m_axis_tlast
        while quiet < patience:
            ready = not stalls(1)
            ctx.set(top.m_axis_tready, ready)
            *_, reset, valid, word, last, mark = await ctx.tick().sample(
                domain.rst, top.m_axis_tvalid, top.m_axis_tdata, top.m_axis_tlast, user
            )
            assert held is None or reset or (valid and held == (word, last, mark)), (
                "a beat that waits must stay as it is"
            )
            held = (word, last, mark) if valid and not ready and not reset else None
            quiet = 0 if valid or not finished[0] else quiet + 1
            if valid and ready and not reset:
                values = [value_of(word >> (k * bits), bits, top.sink_shape.signed) for k in range(lanes)]
                got[-1].append((values, last, mark if checked else 0))
        if checked:
            flags[:] = ctx.get(top.error), ctx.get(top.error_count)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(put, background=True)
    simulator.add_testbench(take)
    simulator.run()
    valid, marked, rest = _images(top, got[-1])
    return Outcome(valid, marked, flags[0], flags[1], rest, got)


def _starts(sent: list[tuple[list[tuple[int, int]], bool]], resets: Sequence[int]) -> set[int]:
    """First beats of the packets that a reset follows."""
    places, starts = 0, set()
    for packet, _ in sent:
        if places + len(packet) in resets:
            starts.add(places)
        places += len(packet)
    return starts


def _images(top: Top, got: list[Beat]) -> tuple[np.ndarray, int, int]:
    channels, height, width = top.design.net.types[top.design.net.output].shape
    whole, image, marked = [], [], 0
    for values, last, mark in got:
        image.append(values)
        if last:
            assert len(image) == top.sink.beats, (
                f"an image of {len(image)} beats comes out, {top.sink.beats} expected"
            )
            marked += mark
            if not mark:
                whole.append(
                    np.array(image, np.int64).reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)
                )
            image = []
        else:
            assert not (mark and top.sink.early == 0), "an image that could be dropped is marked"
    return np.array(whole, np.int64).reshape(len(whole), channels * height * width), marked, len(image)
