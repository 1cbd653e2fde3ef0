"""What a designed network will take, layer by layer: each block with the queues, width conversions and the
fork around it."""

from collections.abc import Callable
from typing import Any

from amaranth.lib import wiring

from fermatnet.hw.resources import Resources, family_of, predict
from fermatnet.hw.stream.fork import Fork
from fermatnet.model.errors import InputError

__all__ = ["EDGE", "by_layer", "check", "row", "total"]

EDGE = "(edge)"  # AXI4-Stream ports, and the fork of the image


def check(device: str, reloadable: bool) -> None:
    """InputError for a device whose cells are not predicted, and for reloadable designs (their memories have
    two banks)."""
    family_of(device)
    if reloadable:
        raise InputError(
            "resources of a reloadable design are not predicted, its memories have two banks; see "
            "`fermatnet synth`"
        )


def by_layer(
    design: Any,
    device: str,
    progress: Callable[[str], None] | None = None,
    known: dict[Any, Resources] | None = None,
) -> dict[str, Resources]:
    """Resources of each layer of a `fermatnet.hw.compiler.design.Design` by its name, in order, and of the
    top level's edge as ``(edge)``.

    InputError as `check`. ``progress`` is told which layer is at hand. ``known``
    keeps layers for the next design of the same network, device and clock, where a layer of the same engine,
    fold and links that multiplies the same way takes the same.
    About 0.1 s a layer of a small network, 0.4 s for PA-ResNet18.
    """
    check(device, design.reloadable)
    family = family_of(device)
    found, nodes = {}, design.net.nodes
    for at, node in enumerate(nodes, 1):
        if progress is not None:
            progress(f"layer {at} of {len(nodes)}")
        key = _key(design, node)
        if known is None or key not in known:
            found[node.name] = predict(design.stage(node), family)
        else:
            found[node.name] = known[key]
        if known is not None:
            known[key] = found[node.name]
    return {**found, EDGE: total({str(k): predict(part, family) for k, part in enumerate(_edge(design))})}


def _key(design: Any, node: Any) -> Any:
    """All that the stage of a node is made from, the network itself and the clock apart: how an array
    multiplies and how serial thresholds are come from the layers around it."""
    edges = tuple(design.schedule.edges[node.name, at] for at in range(len(node.inputs)))
    layer, fold = design.layers[node.name], design.folds[node.name]
    incoming = tuple(design.paces[name] for name in node.inputs)
    return (
        node.name,
        getattr(node, "engine", ""),
        fold,
        layer.way(fold),
        layer.interval(edges[0].lanes_to, incoming),
        design.schedule.rows.get(node.name, 0),
        node.name in design.external,
        design.weight_cells(node.name),
        edges,
    )


def _edge(design: Any) -> list[wiring.Component]:
    sources, parts = design.sources(), list[wiring.Component]()
    for one, source in zip(design.net.inputs, sources, strict=True):
        readers = len(design.net.consumers(one.name))
        parts += [Fork(source.o.payload.shape(), readers)] if readers > 1 else []
    return [*sources, *design.sinks(), *parts]


def total(found: dict[str, Resources]) -> Resources:
    """All of it."""
    return sum(found.values(), Resources())


def row(one: Resources) -> dict[str, float]:
    """``luts``, ``ffs``, ``brams``, ``dsps``; tables rounded to whole ones."""
    return {"luts": round(one.luts), "ffs": one.ffs, "brams": one.brams, "dsps": one.dsps}
