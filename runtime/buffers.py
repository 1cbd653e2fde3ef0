"""Where tensors lie in one block of memory: lifetimes from an order of steps, offsets packed tightly, and
checked.

A *step* reads some buffers and writes others. A buffer lives from the step that writes it to the last step
that reads it, and two buffers that live at the same step must not overlap. The least peak over several
topological orders is taken; offsets come from first-fit in several orders of the buffers (as in dynamic
storage allocation) and, for small problems that first-fit leaves above the lower bound (the largest sum of
sizes alive at one step), from a branch-and-bound search over all orders of first-fit. `check` knows nothing
of how a plan was found."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fermatnet.model.errors import InputError

__all__ = ["Buffer", "Plan", "Step", "check", "plan"]

ORDERS = 400  # topological orders tried where a network has several
EXACT = 12  # buffers up to which every order of first-fit is searched, branches that cannot win cut off
PLACEMENTS = 30_000  # placements tried by that search at most


@dataclass(frozen=True)
class Buffer:
    """A block of ``size`` bytes (at least 1) whose offset must be a multiple of ``align``."""

    name: str
    size: int
    align: int = 4


@dataclass(frozen=True)
class Step:
    """One step: names of the buffers it ``reads``, ``writes``, and uses for itself alone (``scratch``).

    ``inplace``: names among ``reads`` whose bytes the first written buffer may take over, where they are read
    for the last time."""

    name: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    inplace: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """``order``: indices of the steps; ``offsets``: bytes from the start by buffer; ``size``: bytes in all;
    ``bound``: the largest sum of sizes alive at one step of that order, below which no plan of that order can
    be; ``shared``: pairs (new, old) of buffers that lie on the same bytes, new written while old is read for
    the last time."""

    order: tuple[int, ...]
    offsets: Mapping[str, int]
    size: int
    bound: int
    shared: tuple[tuple[str, str], ...] = ()


def _producers(steps: Sequence[Step]) -> dict[str, int]:
    return {name: index for index, step in enumerate(steps) for name in step.writes}


def _needs(steps: Sequence[Step]) -> list[set[int]]:
    producers = _producers(steps)
    return [
        {producers[name] for name in step.reads if name in producers} - {index}
        for index, step in enumerate(steps)
    ]


def _random_order(needs: list[set[int]], rng: random.Random) -> tuple[int, ...]:
    done: list[int] = []
    ready = [index for index, before in enumerate(needs) if not before]
    seen = set(ready)
    while ready:
        done.append(ready.pop(rng.randrange(len(ready))))
        placed = set(done)
        fresh = [k for k, before in enumerate(needs) if k not in seen and before <= placed]
        ready += fresh
        seen |= set(fresh)
    return tuple(done)


def orders(steps: Sequence[Step], seed: int = 0) -> list[tuple[int, ...]]:
    """Topological orders: the given one first, then distinct random ones, at most `ORDERS` draws."""
    needs = _needs(steps)
    as_listed = tuple(range(len(steps)))
    for index, before in enumerate(needs):
        if any(earlier >= index for earlier in before):
            raise InputError(f"step {steps[index].name!r} reads what a later step writes")
    rng = random.Random(seed)
    return list(dict.fromkeys([as_listed, *(_random_order(needs, rng) for _ in range(ORDERS))]))


def _merged(steps: Sequence[Step], order: Sequence[int], sizes: Mapping[str, Buffer]) -> dict[str, str]:
    """Which buffer each buffer lies on: itself, or the one it takes over at its last reading."""
    last = {name: place for place, index in enumerate(order) for name in steps[index].reads}
    home = {name: name for name in sizes}
    for place, index in enumerate(order):
        step = steps[index]
        reusable = [old for old in step.inplace if last[old] == place and old in sizes]
        for new in step.writes[:1]:
            fits = [
                old
                for old in reusable
                if sizes[old].align % sizes[new].align == 0 and sizes[old].size >= sizes[new].size
            ]
            if fits and new in sizes:
                home[new] = home[max(fits, key=lambda name: sizes[name].size)]
    return home


def _spans(
    steps: Sequence[Step], order: Sequence[int], home: Mapping[str, str]
) -> dict[str, tuple[int, int]]:
    """First and last place in ``order`` at which each home is alive."""
    spans: dict[str, tuple[int, int]] = {}
    for place, index in enumerate(order):
        step = steps[index]
        for name in (*step.reads, *step.writes, *step.scratch):
            if name in home:
                first, _ = spans.get(home[name], (place, place))
                spans[home[name]] = (first, place)
    return spans


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def _bound(buffers: Mapping[str, Buffer], spans: Mapping[str, tuple[int, int]]) -> int:
    places = {first for first, _ in spans.values()}
    return max(
        (sum(_up(buffers[n].size, 4) for n, (a, b) in spans.items() if a <= p <= b) for p in places),
        default=0,
    )


def _lowest(
    name: str, offsets: Mapping[str, int], buffers: Mapping[str, Buffer], spans: Mapping[str, tuple[int, int]]
) -> int:
    """The lowest offset at which no placed buffer of an overlapping lifetime lies."""
    first, last = spans[name]
    rivals = sorted(
        (at, at + buffers[n].size)
        for n, at in offsets.items()
        if spans[n][0] <= last and first <= spans[n][1]
    )
    place = 0
    for low, high in rivals:
        if place + buffers[name].size <= low:
            break
        place = max(place, _up(high, buffers[name].align))
    return place


def _first_fit(
    names: Iterable[str], buffers: Mapping[str, Buffer], spans: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    offsets: dict[str, int] = {}
    for name in names:
        offsets[name] = _lowest(name, offsets, buffers, spans)
    return offsets


class _Search:
    """Branch and bound over all orders of first-fit: one of them is an optimum, since any packing can be
    pushed down in the order of its offsets. Branches that reach the best height are cut; the search ends at
    ``bound`` or after `PLACEMENTS`."""

    def __init__(
        self,
        buffers: Mapping[str, Buffer],
        spans: Mapping[str, tuple[int, int]],
        bound: int,
        best: dict[str, int],
    ):
        self.buffers, self.spans, self.bound, self.left = buffers, spans, bound, PLACEMENTS
        self.best, self.height = best, _height(best, buffers)

    def run(self, offsets: dict[str, int], rest: tuple[str, ...]) -> dict[str, int]:
        if not rest and _height(offsets, self.buffers) < self.height:
            self.best, self.height = dict(offsets), _height(offsets, self.buffers)
        for name in rest:
            if self.left <= 0 or self.height <= self.bound:
                break
            self.left -= 1
            at = _lowest(name, offsets, self.buffers, self.spans)
            if at + self.buffers[name].size < self.height:
                self.run({**offsets, name: at}, tuple(other for other in rest if other != name))
        return self.best


def _height(offsets: Mapping[str, int], buffers: Mapping[str, Buffer]) -> int:
    return _up(max((at + buffers[name].size for name, at in offsets.items()), default=0), 4)


def _pack(buffers: Mapping[str, Buffer], spans: Mapping[str, tuple[int, int]], bound: int) -> dict[str, int]:
    names = sorted(spans)
    length = {n: spans[n][1] - spans[n][0] + 1 for n in names}
    keys = [
        lambda n: (-buffers[n].size, spans[n]),
        lambda n: (-length[n], -buffers[n].size),
        lambda n: (spans[n], -buffers[n].size),
        lambda n: (-buffers[n].size * length[n], n),
        lambda n: (-spans[n][1], -buffers[n].size),
    ]
    best = min(
        (_first_fit(sorted(names, key=key), buffers, spans) for key in keys),
        key=lambda o: _height(o, buffers),
    )
    if _height(best, buffers) > bound and len(names) <= EXACT:
        return _Search(buffers, spans, bound, best).run({}, tuple(sorted(names, key=keys[0])))
    return best


def plan(steps: Sequence[Step], buffers: Sequence[Buffer], *, seed: int = 0, several: bool = True) -> Plan:
    """The smallest plan found, checked. ``several`` False keeps the given order of the steps.

    Buffers that no step names are refused, as are steps in an impossible order (InputError).
    """
    sizes = {buffer.name: buffer for buffer in buffers}
    candidates: list[tuple[int, int, tuple[int, ...], dict[str, str]]] = []
    for number, order in enumerate(orders(steps, seed) if several else [tuple(range(len(steps)))]):
        home = _merged(steps, order, sizes)
        candidates.append((_bound(sizes, _spans(steps, order, home)), number, order, home))
    candidates.sort(key=lambda entry: entry[:2])
    best: Plan | None = None
    for bound, _, order, home in candidates[:8]:
        if best is not None and best.size <= bound:
            break  # sorted by bound: no later order can be smaller
        spans = _spans(steps, order, home)
        placed = _pack(sizes, spans, bound)
        offsets = {name: placed[home[name]] for name in sizes if home[name] in placed}
        reused = ((name, _old(steps, home, name)) for name in sizes)
        shared = tuple((name, old) for name, old in reused if old)
        candidate = Plan(order, offsets, _height(placed, sizes), bound, shared)
        if best is None or candidate.size < best.size:
            best = candidate
    assert best is not None
    check(steps, buffers, best)
    return best


def _old(steps: Sequence[Step], home: Mapping[str, str], name: str) -> str:
    """The buffer that ``name`` takes over directly, or ''."""
    if home[name] == name:
        return ""
    step = next(step for step in steps if name in step.writes)
    return next(old for old in step.inplace if home.get(old) == home[name])


def check(steps: Sequence[Step], buffers: Sequence[Buffer], plan: Plan) -> None:
    """AssertionError unless the plan is sound: byte by byte, what a step reads is what the writer of that
    buffer left there.

    Walks the steps and keeps for every byte the name of the buffer that was written last; scratch and outputs
    of a step must not touch bytes that are read at or after it, other than by a taking-over that the step
    allows."""
    sizes = {buffer.name: buffer for buffer in buffers}
    assert sorted(plan.order) == list(range(len(steps))), "every step once"
    assert set(plan.offsets) == set(sizes), f"no place for {sorted(set(sizes) - set(plan.offsets))}"
    allowed = set(plan.shared)
    owner: list[str] = [""] * plan.size
    for index in plan.order:
        step = steps[index]
        for name in step.reads:
            if name in sizes:
                at = plan.offsets[name]
                assert set(owner[at : at + sizes[name].size]) == {name}, (
                    f"{step.name}: {name} is not whole when it is read"
                )
        held = [name for name in step.reads if name in sizes]
        for name in (*step.scratch, *step.writes):
            buffer, at = sizes[name], plan.offsets[name]
            assert at % buffer.align == 0 and at >= 0 and at + buffer.size <= plan.size, (
                f"{name} is misplaced"
            )
            for other in held:
                apart = (
                    at + buffer.size <= plan.offsets[other] or plan.offsets[other] + sizes[other].size <= at
                )
                takes_over = (name, other) in allowed and other in step.inplace and at == plan.offsets[other]
                assert apart or takes_over, f"{step.name}: {name} covers {other}"
            held.append(name)
            owner[at : at + buffer.size] = [name] * buffer.size
