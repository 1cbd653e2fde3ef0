"""Random networks whose weights come from outside, and ones that are loaded anew between two images: values
and cycles in RTL."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from fermatnet.bench.samples.check import Outcome, check, random_folds
from fermatnet.bench.samples.networks import drawn
from fermatnet.bench.samples.rtl import value_of
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.compiler.worst_case import bounds_of
from fermatnet.hw.layers import layer_of
from fermatnet.hw.layers.matrix import MatrixVectorLayer
from fermatnet.hw.rtl.reloadable import load_words
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run

__all__ = ["check_reloaded", "check_streamed", "reshuffled", "run_loads", "with_weights_of"]

IMAGES = 5
TRAINED = ("weight", "bias", "codes", "thresholds", "sign", "multiplier", "offset")


def with_weights_of(net: Network, other: Network) -> Network:
    """Structure of the first, trained values of the second."""
    nodes = []
    for node, new in zip(net.nodes, other.nodes, strict=True):
        nodes.append(replace(node, **{key: getattr(new, key) for key in TRAINED if hasattr(new, key)}))
    return Network(nodes, net.input_shape, net.input_range)


def reshuffled(net: Network, seed: int) -> Network:
    """The same structure with each layer's values in another order, so that all bounds hold."""
    rng, nodes = np.random.default_rng(seed), []
    for node in net.nodes:
        fields: dict[str, Any] = {}
        for key in TRAINED:
            if hasattr(node, key):
                values = getattr(node, key)  # a channel's thresholds stay in order
                fields[key] = (
                    rng.permutation(values)
                    if key == "thresholds"
                    else rng.permutation(values.reshape(-1)).reshape(values.shape)
                )
        nodes.append(replace(node, **fields))
    return Network(nodes, net.input_shape, net.input_range)


def check_streamed(seed: int, most_cycles: int) -> Outcome:
    """As `fermatnet.bench.samples.check.check_seed`, with the weights of some layers (drawn too) from
    streams."""
    net, choices = drawn(seed)
    # the Fermat engine keeps its spectra
    able = [node.name for node in net.nodes if isinstance(layer_of(net, node), MatrixVectorLayer)]
    picked = [name for name in able if choices.integer(0, 2)] or able
    return check(net, choices, seed, most_cycles, external=picked)


def check_reloaded(seed: int, most_cycles: int) -> Outcome:
    """A reloadable design meets, between images: a damaged load, other weights, its own again; both streams
    and the loads stall at random."""
    net, choices = drawn(seed)
    facts: dict[str, Any] = {"seed": seed, "layers": tuple(type(node).__name__ for node in net.nodes)}
    other, bounds = reshuffled(net, seed), bounds_of(net)
    folds = random_folds(net, choices, most_cycles)

    def designed(real: Network) -> Design:
        return plan(real, folds=folds, device="ice40-hx8k", external="none", reloadable=True, bounds=bounds)

    try:
        design = designed(net)
    except InputError as error:
        if "at least two outputs" in str(error):
            return Outcome(**facts)  # the one thing that a reloadable design refuses
        raise
    own, new = (_burst(designed(real)) for real in (net, other))
    rng = random.Random(seed)
    place = rng.randrange(len(new))
    damaged = [*new[:place], new[place] ^ 1 << rng.randrange(32), *new[place + 1 :]]
    images = np.random.default_rng(seed).integers(0, 256, (IMAGES, *net.input_shape)).astype(np.uint8)
    expected = run(net, images)
    expected[2:4] = run(other, images)[2:4]
    got, outcomes = run_loads(design, images, {1: damaged, 2: new, 4: own}, seed=seed)
    facts |= {"cycles": design.cycles_per_image, "latency": design.latency}
    if outcomes != [(0, 1), (1, 0), (1, 0)]:
        return Outcome(
            **facts, problem=f"loads gave (ok, error) {outcomes}; word {place} of {len(new)} was damaged"
        )
    return Outcome(**facts, problem="" if np.array_equal(got, expected) else "RTL and reference differ")


def _burst(design: Design) -> list[int]:
    top = Top(design)
    Fragment.get(top, None)  # the layout of a load is known once everything is elaborated
    assert top.loader
    return load_words(top.loader.layout)


def run_loads(
    design: Design,
    images: np.ndarray,
    loads: dict[int, Sequence[int]],
    *,
    seed: int | None = None,
    limit: int = 60_000,
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Streams images; before image k the burst loads[k] is sent while earlier ones are still inside.

    Returns outputs int64 (n, K) and (load_ok, load_error) after each load. With a seed all streams stall at
    random. AssertionError when it stands still for ``limit`` cycles.
    """
    top = Top(design)
    net, lanes = design.net, top.source_lanes
    beats = images[0].size // lanes
    words = [
        sum(v << (8 * k) for k, v in enumerate(row))
        for row in images.transpose(0, 2, 3, 1).reshape(-1, lanes).tolist()
    ]
    channels, height, width = net.types[net.output].shape
    field = top.sink.pins.field
    got: list[int] = []
    outcomes: list[tuple[int, int]] = []
    rng = random.Random(seed)
    slow_in, slow_out = (rng.choice((0.0, 0.3, 0.7)) if seed is not None else 0.0 for _ in range(2))

    async def put(ctx):
        for place, word in enumerate(words):
            if place % beats == 0 and place // beats in loads:
                await send(ctx, loads[place // beats])
            while rng.random() < slow_in:
                await ctx.tick()
            ctx.set(top.s_axis_tdata, word)
            ctx.set(top.s_axis_tvalid, 1)
            ctx.set(top.s_axis_tlast, place % beats == beats - 1)
            await ctx.tick().until(top.s_axis_tready)
            ctx.set(top.s_axis_tvalid, 0)

    async def send(ctx, burst):
        for k, word in enumerate(burst):
            ctx.set(top.s_load_tdata, word)
            ctx.set(top.s_load_tlast, k == len(burst) - 1)
            ctx.set(top.s_load_tvalid, 1)
            await ctx.tick().until(top.s_load_tready)
            ctx.set(top.s_load_tvalid, 0)
            while rng.random() < slow_in:
                await ctx.tick()
        await ctx.tick().until(top.load_ok | top.load_error)
        outcomes.append((ctx.get(top.load_ok), ctx.get(top.load_error)))

    async def take(ctx):
        waited = 0
        while len(got) < channels * height * width * len(images):
            ready = rng.random() >= slow_out
            ctx.set(top.m_axis_tready, ready)
            *_, valid, word = await ctx.tick().sample(top.m_axis_tvalid, top.m_axis_tdata)
            waited = 0 if valid and ready else waited + 1
            assert waited < limit, f"the design stands still after {len(got)} values"
            if valid and ready:
                got.extend(
                    value_of(word >> (k * field), field, top.sink_shape.signed) for k in range(top.sink_lanes)
                )

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(put, background=True)
    simulator.add_testbench(take)
    simulator.run()
    outputs = np.array(got, np.int64).reshape(len(images), height * width, channels).transpose(0, 2, 1)
    return outputs.reshape(len(images), -1), outcomes
