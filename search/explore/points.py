# amaranth: UnusedElaboratable=no
"""One design of a network as a point: what it is asked for, and what it is predicted to take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fermatnet.hw.compiler import folding
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.planner import layers_for, least_beats, plan
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.layers.windowed import array_of
from fermatnet.hw.resources import Resources
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.model.network.file.store import sha256

__all__ = ["CLEAR", "ENGINES", "Wanted", "candidates", "may_fit", "predicted", "saves", "with_engine"]

ENGINES = ("auto", "direct", "fermat")
"""Engines of integer convolutions that the network leaves open: the cheaper one each, or all of a kind."""
BEYOND = 1.5
"""A design that the layers' own formulas put above so many devices is not looked at."""
MARGIN, CLEAR = 1.15, 0.8
"""Nor is one that is above so many of it when the formulas are corrected by a slower design's prediction; one
below the other number fits in all likelihood."""
LARGE, LONG, SAVED = 0.3, 16_000, 0.03
"""A design of more than so much of a device and so many LUTs, which takes long to predict, must save so much
against every one that is as fast or faster, by those formulas."""


@dataclass(frozen=True)
class Wanted:
    """What a design is asked for: ``cycles`` an image at most, and the ``engine`` of open convolutions;
    ``estimate``: LUTs by the layers' own formulas."""

    cycles: int
    engine: str
    estimate: float = 0.0


def with_engine(net: Network, engine: str) -> Network:
    """The network with its open integer convolutions on ``engine``; itself for "auto". InputError where a
    convolution cannot be on that engine."""
    if engine == "auto":
        return net
    chosen = _open(net)
    moved: dict[str, Any] = {"engine": engine}
    nodes = [replace(node, **moved) if node.name in chosen else node for node in net.nodes]
    return replace(net, nodes=nodes)


def _open(net: Network) -> set[str]:
    """Layers whose engine is to be chosen."""
    return {node.name for node in net.nodes if getattr(node, "engine", None) == "auto"}


def candidates(net: Network, device: str, clock_mhz: float, count: int) -> list[Wanted]:
    """About ``count`` designs for each engine that differs: periods that some fold of a layer has, spread
    evenly by their logarithm between the fastest that is not hopeless and the slowest; of large ones those
    that save something against faster ones."""
    engines = {0: ENGINES[:1], 1: ENGINES[1:]}.get(len(_open(net)), ENGINES)
    designs: list[Wanted] = []
    for engine in engines:
        try:
            layers = layers_for(with_engine(net, engine), device, clock_mhz=clock_mhz)
        except InputError:  # a convolution that this engine cannot compute
            continue
        floor, most = least_beats(net), BEYOND * find_device(device).luts
        periods = folding.periods(layers, floor)
        costs = {
            period: folding.total_cost(layers, folding.fold_for_cycles(layers, period, floor))
            for period in periods
        }
        spread = _spread([period for period in periods if costs[period] <= most], count)
        designs += [Wanted(period, engine, costs[period]) for period in spread]
    large = max(LONG, LARGE * find_device(device).luts)
    return [one for one in designs if one.estimate <= large or saves(one, designs)]


def saves(one: Wanted, designs: Sequence[Wanted]) -> bool:
    """Whether no faster one of ``designs`` costs about the same or less, and no equally fast one less."""
    return not any(
        (other.cycles < one.cycles and other.estimate * (1 - SAVED) <= one.estimate)
        or (other.cycles == one.cycles and (other.estimate, other.engine) < (one.estimate, one.engine))
        for other in designs
    )


def may_fit(
    one: Wanted,
    slower: Sequence[tuple[Wanted, dict[str, Any] | None]],
    device: str,
    devices: float = MARGIN,
) -> bool:
    """Whether a design takes at most so many devices when formulas are as wrong for it as for the fastest of
    the ``slower`` ones of its engine, which are predicted."""
    known = [(other, point) for other, point in slower if other.engine == one.engine and point is not None]
    if not known:
        return True
    other, point = min(known, key=lambda pair: pair[0].cycles)
    wrong = point["luts"] / other.estimate
    return one.estimate * wrong <= devices * find_device(device).luts


def _spread(periods: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of some ascending numbers, at about equal ratios, the ends among them."""
    if len(periods) <= count:
        return list(periods)
    low, high = periods[0], periods[-1]
    goals = (low * (high / low) ** (k / (count - 1)) for k in range(count))
    return sorted({min(periods, key=lambda period: abs(period - goal)) for goal in goals})


def predicted(net: Network, device: str, clock_mhz: float, wanted: Wanted) -> dict[str, Any] | None:
    """The point of a wanted design, None for one that cannot be made.

    A point: ``cycles`` (an image), ``asked``, ``engine``, ``latency``, ``images_per_second`` at the clock,
    ``luts``, ``ffs``, ``brams``, ``dsps``, ``fits`` the device, ``external`` layers, and ``layers``: name,
    kind, form, parallelism and LUTs of each. A process keeps what it predicted of layers for the next design
    of the same network, device and clock.
    """
    task = sha256(net), device, clock_mhz
    if task not in _known:
        _known.clear()
    try:
        moved = with_engine(net, wanted.engine)
        return _fitted(moved, device, clock_mhz, wanted, _known.setdefault(task, {}))
    except InputError:
        return None


_known: dict[Any, dict[Any, Resources]] = {}  # predicted layers of one network, device and clock


def _fitted(
    net: Network, device: str, clock_mhz: float, sought: Wanted, known: dict[Any, Resources]
) -> dict[str, Any]:
    """The point of a design; weights of the largest layers come from outside where the block memories of the
    device are too few, and that is all that does not fit."""
    capacity, external = find_device(device), list[str]()
    while True:
        asked: Any = external or "auto"
        design = plan(net, cycles=sought.cycles, device=device, clock_mhz=clock_mhz, external=asked)
        resources = resources_layers.by_layer(design, device, known=known)
        point = _point(design, sought, device, clock_mhz, resources)
        missing, inside = point["brams"] - capacity.brams, _weights(design)
        if missing <= 0 or point["luts"] > capacity.luts or not inside:
            return point
        external = list(design.external)
        bits = missing * capacity.bram_bits
        for name, held in sorted(inside.items(), key=lambda entry: -entry[1]):
            external.append(name)
            bits -= held
            if bits <= 0:
                break


def _weights(design: Design) -> dict[str, int]:
    """Bits of the weights in memory of each layer that could take them from outside."""
    bits = {}
    for name, layer in design.layers.items():
        constant = hasattr(layer, "constant") and layer.constant(design.folds[name])
        if layer.streamable() and name not in design.external and not constant:
            bits[name] = layer.outputs * layer.taps * _bits(layer.node)  # type: ignore[attr-defined]
    return bits


def _bits(node: Any) -> int:
    """Bits of a weight: an integer's, or those of the number of a level."""
    return int(getattr(node, "weight_bits", 0)) or (len(node.levels_w) - 1).bit_length()


def _point(
    design: Design, sought: Wanted, device: str, clock_mhz: float, resources: dict[str, Resources]
) -> dict[str, Any]:
    capacity, whole = find_device(device), resources_layers.row(resources_layers.total(resources))
    return {
        "cycles": design.cycles_per_image,
        "asked": sought.cycles,
        "engine": sought.engine,
        "latency": design.latency,
        "images_per_second": round(clock_mhz * 1e6 / design.cycles_per_image, 2),
        **whole,
        "fits": all(whole[key] <= getattr(capacity, key) for key in whole),
        "external": list(design.external),
        "layers": [
            {
                "name": node.name,
                "kind": design.layers[node.name].kind,
                "form": _form(design, node.name),
                "pe": design.folds[node.name].pe,
                "simd": design.folds[node.name].simd,
                "luts": round(resources[node.name].luts),
            }
            for node in design.net.nodes
        ],
    }


def _form(design: Design, name: str) -> str:
    """How a layer computes: what its block's array is made of."""
    layer, fold = design.layers[name], design.folds[name]
    if type(layer).__name__ == "FermatConvLayer":
        return "Fermat transform"
    if not layer.foldable or not hasattr(layer, "constant"):
        return "stream"
    if layer.constant(fold):
        return "constants"
    array = array_of(design.components[name])
    form = getattr(getattr(array, "form", None), "kind", "")
    return f"popcount, {form}" if form else "multipliers"
