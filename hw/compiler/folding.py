"""How parallel each layer becomes: the cheapest folds that keep a period, and the shortest period that a
budget pays for.

Method. A dataflow network runs at the pace of its slowest layer, and layers are folded one by one. So for a
given period P the cheapest network takes, in each layer, the cheapest fold of at most P cycles: costs add up
and the condition is one per layer, which makes the choice optimal. Only the cycle counts of single folds
matter as periods; the least cost falls as P grows, so the shortest period within a LUT budget is found by
bisection over them, and is optimal too. (A test holds both against brute force.)
"""

from collections.abc import Mapping

from fermatnet.hw.layers import Fold, Layer
from fermatnet.model.errors import InputError

__all__ = ["Folds", "check_folds", "fold_for_cycles", "fold_for_luts", "periods", "total_cost"]

Folds = dict[str, Fold]


def total_cost(layers: Mapping[str, Layer], folds: Folds) -> float:
    """Look-up tables of all layers, about."""
    return sum(layer.cost(folds[name]) for name, layer in layers.items())


def _table(layers: Mapping[str, Layer]) -> dict[str, list[tuple[int, float, Fold]]]:
    """Folds of each layer worth having: (cycles, cost, fold), cycles rising, cost falling."""
    table = {}
    for name, layer in layers.items():
        options = sorted((layer.cycles(fold), layer.cost(fold), fold) for fold in layer.folds())
        kept: list[tuple[int, float, Fold]] = []
        for option in options:
            if not kept or option[1] < kept[-1][1]:
                kept.append(option)
        table[name] = kept
    return table


def _pick(table: dict[str, list[tuple[int, float, Fold]]], cycles: int) -> Folds | None:
    folds = {}
    for name, options in table.items():
        fitting = [option for option in options if option[0] <= cycles]
        if not fitting:
            return None
        folds[name] = fitting[-1][2]
    return folds


def fold_for_cycles(layers: Mapping[str, Layer], cycles: int, floor: int = 1) -> Folds:
    """The cheapest folds of at most ``cycles`` cycles an image; InputError naming the nearest that can be
    had.

    ``floor``: cycles below which the links between layers cannot go.
    """
    table = _table(layers)
    fastest = max(floor, *(options[0][0] for options in table.values()))
    if cycles < fastest:
        slowest = max(table, key=lambda name: table[name][0][0])
        raise InputError(
            f"{cycles} cycles an image cannot be met: layer {slowest!r} and the links allow {fastest} at best"
        )
    folds = _pick(table, cycles)
    assert folds is not None
    return folds


def periods(layers: Mapping[str, Layer], floor: int = 1) -> list[int]:
    """Cycles an image that a choice of folds can have, rising; no other period needs to be looked at."""
    return _periods(_table(layers), floor)


def _periods(table: dict[str, list[tuple[int, float, Fold]]], floor: int) -> list[int]:
    fastest = max(floor, *(options[0][0] for options in table.values()))
    return sorted({max(fastest, option[0]) for options in table.values() for option in options})


def fold_for_luts(layers: Mapping[str, Layer], luts: float, floor: int = 1) -> Folds:
    """The fastest folds whose predicted cost stays within ``luts``; InputError naming the least that would
    do."""
    table = _table(layers)
    candidates = _periods(table, floor)
    low, high = 0, len(candidates) - 1
    cheapest = _pick(table, candidates[-1])
    assert cheapest is not None
    least = total_cost(layers, cheapest)
    if least > luts:
        raise InputError(f"{luts:.0f} LUTs cannot be met: the smallest network takes about {least:.0f}")
    while low < high:
        middle = (low + high) // 2
        folds = _pick(table, candidates[middle])
        assert folds is not None
        if total_cost(layers, folds) <= luts:
            high = middle
        else:
            low = middle + 1
    folds = _pick(table, candidates[low])
    assert folds is not None
    return folds


def check_folds(layers: Mapping[str, Layer], folds: Mapping[str, Fold]) -> Folds:
    """Folds given by hand, completed for the layers that have no choice; InputError for one that does not
    divide."""
    unknown = set(folds) - set(layers)
    if unknown:
        raise InputError(f"folding names {sorted(unknown)[0]!r}, which is no layer")
    result = {}
    for name, layer in layers.items():
        options = layer.folds()
        fold = folds.get(name, options[0])
        if fold not in options:
            pes, simds = sorted({o.pe for o in options}), sorted({o.simd for o in options})
            raise InputError(
                f"layer {name!r}: a folding of pe={fold.pe}, simd={fold.simd} does not divide it (pe {pes}, "
                f"simd {simds})"
            )
        result[name] = fold
    return result
