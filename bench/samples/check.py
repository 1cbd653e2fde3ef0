"""One random network through everything: numpy reference, onnxruntime, RTL with and without stalls; predicted
cycles against counted ones."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fermatnet.bench.samples.networks import Choices, build, drawn
from fermatnet.bench.samples.rtl import simulate_top
from fermatnet.bench.samples.shrink import shrink
from fermatnet.hw.compiler.generate import weight_words
from fermatnet.hw.compiler.planner import plan
from fermatnet.hw.compiler.schedule import CUT
from fermatnet.hw.compiler.top import Top
from fermatnet.hw.layers import Fold, layer_of
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network, run, save

__all__ = ["Outcome", "check", "check_seed", "onnxruntime_run", "random_folds", "random_ways", "shrunk"]

CLOCKS = 100.0, 250.0  # MHz that blocks are pipelined for: by turns, seed for seed
IMAGES, CALM = 8, 6
"""The first six without stalls: the mean of the last two distances is the period, rounded up. The first
images may run ahead while queues fill, and those of a Fermat engine may alternate between two distances."""

Simulate = Callable[..., Any]
Draw = Callable[[int], tuple[Network, Choices]]


@dataclass(frozen=True)
class Outcome:
    """What one network showed; ``problem`` is "" where all agrees. ``layers``: kinds in order; ``queues``:
    edges that have one."""

    seed: int
    problem: str = ""
    layers: tuple[str, ...] = ()
    cycles: int = 0
    latency: int = 0
    latency_exact: bool = False
    queues: int = 0

    def row(self) -> dict[str, Any]:
        """As a line of the results."""
        return asdict(self)


def onnxruntime_run(net: Network, images: np.ndarray) -> np.ndarray:
    """Outputs int64 (n, K) by onnxruntime of the network's own file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory(prefix="fermatnet-random-") as folder:
        path = Path(folder) / "net.onnx"
        save(net, path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {session.get_inputs()[0].name: images})
    return np.asarray(out).reshape(len(images), -1).astype(np.int64)


def random_folds(net: Network, choices: Choices, most_cycles: int) -> dict[str, Fold]:
    """Folds drawn from ``choices`` among those of at most ``most_cycles`` cycles a layer (else the
    fastest)."""
    folds = {}
    for node in net.nodes:
        layer = layer_of(net, node)
        options = sorted(layer.folds(), key=layer.cycles)
        folds[node.name] = choices.pick(
            [fold for fold in options if layer.cycles(fold) <= most_cycles] or options[:1]
        )
    return folds


def random_ways(net: Network, choices: Choices, folds: dict[str, Fold]) -> dict[str, str]:
    """How arrays multiply, drawn from ``choices`` among the ways that each has."""
    ways = {}
    for node in net.nodes:
        options = list(layer_of(net, node).ways(folds[node.name]))
        if options:
            ways[node.name] = choices.pick(options)
    return ways


def check(
    net: Network,
    choices: Choices,
    seed: int,
    most_cycles: int,
    simulate: Simulate = simulate_top,
    external: Sequence[str] = (),
) -> Outcome:
    """Folds drawn, then everything compared; the weights of layers ``external`` come from streams."""
    layers = {node.name: layer_of(net, node) for node in net.nodes}
    # A device without trees of its own: random levels would have a new tree searched for every layer.
    folds = random_folds(net, choices, most_cycles)
    design = plan(
        net,
        folds=folds,
        ways=random_ways(net, choices, folds),
        device="ice40-hx8k",
        external=external or "none",
        clock_mhz=CLOCKS[seed % len(CLOCKS)],
    )
    lo, hi = net.input_range
    images = np.random.default_rng(seed).integers(lo, hi + 1, (IMAGES, *net.input_shape))
    images = images.astype(net.input_dtype)
    expected = run(net, images)
    branches = any(len(net.consumers(name)) > 1 for name in (net.input_name, *layers))
    queues = sum(max(edge.before, edge.after) > CUT for edge in design.schedule.edges.values())
    facts: dict[str, Any] = {
        "seed": seed,
        "layers": tuple(layer.kind for layer in layers.values()),
        "cycles": design.cycles_per_image,
        "latency": design.latency,
        "queues": queues,
    }
    if not np.array_equal(onnxruntime_run(net, images), expected):
        return Outcome(**facts, problem="the reference and onnxruntime differ")
    try:
        top = Top(design)
        feeds = (
            {"weights": {prefix: weight_words(design, name) for name, prefix in top.weight_ports.items()}}
            if external
            else {}
        )
        limit = 30 * (design.cycles_per_image + design.latency_bound) + 1000
        simulated = simulate(top, images, seed=seed, calm=CALM, limit=limit, **feeds)
    except AssertionError as error:
        return Outcome(**facts, problem=f"RTL: {error}")
    period = -(-(simulated.ends[CALM - 1] - simulated.ends[CALM - 3]) // 2)
    if not np.array_equal(simulated.outputs, expected):
        problem = "RTL and reference differ"
    elif period != design.cycles_per_image:
        problem = f"{period} cycles an image, {design.cycles_per_image} predicted"
    elif not branches and simulated.latency != design.latency:
        # a branch that fills holds the other one back, up to the bound
        problem = f"latency {simulated.latency}, {design.latency} predicted"
    elif not design.latency <= simulated.latency <= design.latency_bound:
        problem = f"latency {simulated.latency}, {design.latency} to {design.latency_bound} predicted"
    else:
        problem = ""
    return Outcome(**facts, problem=problem, latency_exact=simulated.latency == design.latency)


def check_seed(
    seed: int, most_cycles: int, simulate: Simulate = simulate_top, draw: Draw = drawn
) -> tuple[Outcome, list[int]]:
    """The network of a seed; its outcome and the choices that make it and its folds again."""
    net, choices = draw(seed)
    return check(net, choices, seed, most_cycles, simulate), choices.taken


def shrunk(
    row: list[int],
    seed: int,
    most_cycles: int,
    simulate: Simulate = simulate_top,
    tries: int = 60,
    make: Callable[[Choices, int], Network] = build,
) -> tuple[Outcome, list[int]]:
    """A smaller network that still fails, and its choices."""

    def outcome(numbers: list[int]) -> tuple[Outcome, list[int]] | None:
        choices = Choices(given=numbers)
        try:
            net = make(choices, seed)
        except InputError:
            return None  # no network file may hold this
        return check(net, choices, seed, most_cycles, simulate), choices.taken

    def fails(numbers: list[int]) -> bool:
        checked = outcome(numbers)
        return checked is not None and bool(checked[0].problem)

    best = shrink(row, fails, tries)
    checked = outcome(best)
    assert checked is not None
    return checked
