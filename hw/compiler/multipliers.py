"""A number of hard multipliers that a design keeps to: which layers multiply in tables, and which several
products a multiplier.

The arrays are told how to multiply; what the other layers take (scales of channels, products of two maps, the
Fermat engine) is as it is, and found by prediction.
"""

from collections.abc import Callable, Mapping

from fermatnet.hw.compiler.design import Design
from fermatnet.hw.layers import Fold, Layer
from fermatnet.hw.resources import is_predicted
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.errors import InputError

__all__ = ["Ways", "assigned", "check", "kept", "least_tables", "within_device"]

Ways = dict[str, str]
"""Way to multiply by layer."""


def least_tables(layers: Mapping[str, Layer], folds: Mapping[str, Fold], dsps: int) -> Ways | None:
    """The ways with the fewest tables that take at most ``dsps`` multipliers together; None where there are
    none."""
    # by multipliers so far: the tables, and the ways
    best: dict[int, tuple[float, Ways]] = {0: (0.0, {})} if dsps >= 0 else {}
    for name, layer in layers.items():
        options = layer.ways(folds[name])
        if not options:
            continue
        found: dict[int, tuple[float, Ways]] = {}
        for before, (tables, ways) in best.items():
            for way, (more, hard) in options.items():
                total = before + hard
                if total <= dsps and (total not in found or tables + more < found[total][0]):
                    found[total] = (tables + more, {**ways, name: way})
        best = found
    return min(best.values(), key=lambda entry: entry[0])[1] if best else None


def check(device: str, reloadable: bool) -> None:
    """InputError for a design whose multipliers cannot be counted before synthesis."""
    if not is_predicted(device):
        raise InputError(
            f"a number of multipliers is kept on devices of the families xc7 and ecp5, not on {device!r}: "
            "leave dsps away"
        )
    resources_layers.check(device, reloadable)


def within_device(layers: dict[str, Layer], folds: Mapping[str, Fold], dsps: int) -> dict[str, Layer]:
    """The layers as they are; where their arrays would take more than the ``dsps`` of the device, those with
    the fewest tables that do not."""
    taken = 0
    for name, layer in layers.items():
        options = layer.ways(folds[name])
        taken += options[layer.way(folds[name])][1] if options else 0
    ways = least_tables(layers, folds, dsps) if taken > dsps else None
    return layers if ways is None else assigned(layers, ways)


def kept(
    finished: Callable[[dict[str, Layer]], Design],
    layers: dict[str, Layer],
    folds: Mapping[str, Fold],
    device: str,
    dsps: int,
) -> Design:
    """The design, by ``finished`` from its layers, with the fewest tables that is predicted to take at most
    ``dsps`` multipliers; InputError, with what the others take, where there is none."""
    room = dsps
    for _ in range(2):
        ways = least_tables(layers, folds, room)
        if ways is None:
            break
        design = finished(assigned(layers, ways))
        found = resources_layers.by_layer(design, device)
        if resources_layers.total(found).dsps <= dsps:
            return design
        room = dsps - sum(one.dsps for name, one in found.items() if name not in ways)
    fixed = {name: one.dsps for name, one in resources_layers.by_layer(finished(layers), device).items()}
    fixed = {name: count for name, count in fixed.items() if count and not _has_choice(layers, folds, name)}
    least = _least(layers, folds) + sum(fixed.values())
    words = ", ".join(f"{name} {count}" for name, count in fixed.items())
    raise InputError(
        f"{dsps} multipliers cannot be kept: {least} is the least at this speed"
        + (f" ({words} cannot do without)" if words else "")
    )


def _has_choice(layers: Mapping[str, Layer], folds: Mapping[str, Fold], name: str) -> bool:
    return name in layers and bool(layers[name].ways(folds[name]))


def _least(layers: Mapping[str, Layer], folds: Mapping[str, Fold]) -> int:
    """Fewest multipliers of all arrays."""
    options = (layer.ways(folds[name]) for name, layer in layers.items())
    return sum(min(hard for _, hard in ways.values()) for ways in options if ways)


def assigned(layers: Mapping[str, Layer], ways: Mapping[str, str]) -> dict[str, Layer]:
    """The layers, multiplying so."""
    return {name: layer.multiplying(ways[name]) if name in ways else layer for name, layer in layers.items()}
