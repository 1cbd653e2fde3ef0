"""Functions of two narrow tensors, given by their value for every pair: sums of two scales, or any."""

from dataclasses import dataclass

import numpy as np

from fermatnet.model.errors import InputError
from fermatnet.model.network.builder import Builder
from fermatnet.model.network.nodes import Add, Affine, Lookup, Requantize

__all__ = ["any_pair", "joined_sum"]

_BOUND = (1 << 31) - 1
_CORRECTIONS = 8  # accumulators that a layer may correct; beyond, a table is the answer
_CANDIDATES = 64  # offsets tried from either side of the crossing


@dataclass(frozen=True, eq=False)
class _Form:
    """``floor((a factors[0] + b factors[1] + offset) / 2^shift)``, and how many pairs it misses."""

    factors: tuple[int, int]
    offset: int
    shift: int
    wrong: int


def joined_sum(
    b: Builder,
    name: str,
    sources: tuple[str, str],
    scales: tuple[float, float],
    want: np.ndarray,
    clip: tuple[int, int],
) -> str:
    """The sum of two tensors of different scales, exactly as the source computes it on every pair of their
    values; returns the tensor's name.

    Parameters
    ----------
    sources : two tensors of one shape, each of at most 9 bits
    scales : of each input in units of the output's scale, a starting point only
    want : int64 (A, B), the source's result for each pair of values of the two ranges, lowest first, already
    clipped
    clip : lowest and highest value of the result

    ``floor((a m_a + b m_b + o) / 2^s)`` with the smallest s that has some o for all pairs; else with a few
    corrections; else a table of all pairs.
    """
    first, second = (b.types[tensor] for tensor in sources)
    x, y = np.arange(first.lo, first.hi + 1)[:, None], np.arange(second.lo, second.hi + 1)[None, :]
    best: _Form | None = None
    for shift in range(4, 28):
        for factors in _near(scales, shift):
            product = x * factors[0] + y * factors[1]
            if max(abs(int(product.min())), int(product.max())) > _BOUND:
                continue
            form = _fitted(product, factors, shift, want, clip)
            if best is None or form.wrong < best.wrong:
                best = form
        if best is not None and not best.wrong:
            break
    corrections = _corrections(best, x, y, want, clip) if best is not None else None
    if best is None or corrections is None:
        return any_pair(b, name, sources, want)
    total = _weighted(b, name, sources, best.factors)
    channels = b.channels(total)
    ones, offsets = np.full(channels, 1), np.full(channels, best.offset)
    if not corrections:
        return b.append(Affine(name, (total,), ones, offsets, best.shift, *clip))
    at, by = (np.tile(np.array(row, np.int64), (channels, 1)) for row in zip(*corrections, strict=True))
    none = np.zeros(channels, np.int64)
    return b.append(Requantize(name, (total,), ones, offsets, best.shift, none, 0, *clip, at, by))


def any_pair(b: Builder, name: str, sources: tuple[str, str], want: np.ndarray) -> str:
    """Any function of two tensors of one shape by its table: ``want`` int64 (A, B) for each pair of values of
    the two ranges, lowest first, at most 65,536 pairs."""
    first, second = (b.types[tensor] for tensor in sources)
    if want.size > 1 << 16:
        raise InputError(
            f"layer {name!r}: a function of {want.size} pairs of values is too large for a table"
        )
    total = _weighted(b, name, sources, (want.shape[1], 1))
    return b.append(Lookup(name, (total,), want.reshape(-1), first.lo * want.shape[1] + second.lo))


def _near(scales: tuple[float, float], shift: int) -> list[tuple[int, int]]:
    middles = [round(scale * (1 << shift)) for scale in scales]
    steps = [(i, j) for i in (0, -1, 1) for j in (0, -1, 1)]
    return [(middles[0] + i, middles[1] + j) for i, j in steps]


def _fitted(
    product: np.ndarray, factors: tuple[int, int], shift: int, want: np.ndarray, clip: tuple[int, int]
) -> _Form:
    """The offset that misses the fewest pairs, in the middle of those that miss none."""
    least = np.sort(((want << shift) - product)[want > clip[0]])
    most = np.sort((((want + 1) << shift) - 1 - product)[want < clip[1]])
    if not len(least) or not len(most):
        end = int(least[-1]) if len(least) else (int(most[0]) if len(most) else 0)
        return _Form(factors, end, shift, 0)
    low, high = int(least[-1]), int(most[0])
    if low <= high:
        return _Form(factors, (low + high) // 2, shift, 0)
    offsets = np.concatenate([least[-_CANDIDATES:], most[:_CANDIDATES]])
    missed = len(least) - np.searchsorted(least, offsets, side="right")
    missed += np.searchsorted(most, offsets, side="left")
    place = int(missed.argmin())
    return _Form(factors, int(offsets[place]), shift, int(missed[place]))


def _corrections(
    form: _Form, x: np.ndarray, y: np.ndarray, want: np.ndarray, clip: tuple[int, int]
) -> list[tuple[int, int]] | None:
    """(accumulator, amount) wherever the form misses; None where a layer cannot hold them."""
    product = x * form.factors[0] + y * form.factors[1]
    difference = want - np.clip((product + form.offset) >> form.shift, *clip)
    places = np.unique(product[difference != 0])
    if len(places) > _CORRECTIONS:
        return None
    found = []
    for place in places:
        amounts = np.unique(difference[product == place])
        if len(amounts) != 1 or abs(int(amounts[0])) != 1:
            return None
        found.append((int(place), int(amounts[0])))
    return found


def _weighted(b: Builder, name: str, sources: tuple[str, str], factors: tuple[int, int]) -> str:
    """``a factors[0] + b factors[1]``, two multiplications and a sum."""
    scaled = []
    for k, (tensor, factor) in enumerate(zip(sources, factors, strict=True)):
        channels = b.channels(tensor)
        multiplier, offset = np.full(channels, factor), np.zeros(channels, np.int64)
        layer = Affine(f"{name}_scaled{k}", (tensor,), multiplier, offset, 0, -_BOUND - 1, _BOUND)
        scaled.append(b.append(layer))
    return b.append(Add(f"{name}_sum", (scaled[0], scaled[1])))
