"""The Pareto front of a network on a device: designs that no other one beats in every respect.

Designs are planned and predicted one by one (`fermatnet.search.explore.points`), spread over joblib's back
ends; what comes out depends on the network, the device and the count alone.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fermatnet.hw.compiler.generate import generate
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.resources import is_predicted
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.search.backends import check_backend, parallel
from fermatnet.search.explore.points import CLEAR, Wanted, candidates, may_fit, predicted, with_engine

__all__ = ["COSTS", "explore", "make", "pareto"]

COSTS = ("cycles", "luts", "brams", "dsps")
"""What a design is judged by, less of each being better."""


LAST = 3
"""Fastest designs of an engine that wait for what is predicted of the slower ones; of them those that may be
too large for what is predicted of the others."""


def pareto(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points that no other one equals or beats in every of the `COSTS`, fastest first; of equal ones the
    first."""
    front: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda point: tuple(point[key] for key in COSTS)):
        if not any(all(other[key] <= point[key] for key in COSTS) for other in front):
            front.append(point)
    return front


def explore(
    net: Network,
    device: str,
    *,
    clock_mhz: float = 100.0,
    count: int = 10,
    jobs: int = 2,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """What ``net`` can be on ``device``, predicted.

    Parameters
    ----------
    net, device : the network, and the name of a device whose family is predicted
    clock_mhz : the clock that designs are pipelined for and images a second are counted at
    count : designs looked at for each choice of engines
    jobs, backend, scheduler : of joblib, see `fermatnet.search.backends`
    progress : told a few words at each step

    Returns ``front`` (points of `fermatnet.search.explore.points.predicted`, numbered from 1 by ``number``;
    those that fit, or where none does, ``fits`` being False, the front of all), ``others`` (those beaten or
    too large), ``rough`` (whether predictions for this device are), ``device``, its ``capacity``,
    ``clock_mhz``, ``name``. Raises InputError for an unknown device or one that is not predicted, and where
    no design can be made.
    """
    check_backend(backend, scheduler)
    resources_layers.check(device, reloadable=False)
    say = progress or (lambda words: None)
    say("choosing designs to look at")
    with _starting(jobs if backend == "loky" else 1):
        wanted = candidates(net, device, clock_mhz, count)
    say(f"predicting {len(wanted)} designs")
    spread = functools.partial(
        _rated, net, device, clock_mhz, jobs=jobs, backend=backend, scheduler=scheduler
    )
    last = [one for one in wanted if _faster(one, wanted) < LAST]
    found = spread([one for one in wanted if one not in last])
    clear = [one for one in last if may_fit(one, list(found.items()), device, CLEAR)]
    found |= spread(clear)
    rest = [one for one in last if one not in clear]
    found |= spread([one for one in rest if may_fit(one, list(found.items()), device)])
    points = [point for one in wanted if (point := found.get(one)) is not None]
    if not points:
        raise InputError(f"no design of {net.meta.get('name', 'the network')} can be made for {device}")
    fitting = [point for point in points if point["fits"]]
    front = pareto(fitting or points)
    capacity = find_device(device)
    chosen = {id(point) for point in front}
    others = [point for point in points if id(point) not in chosen]
    return {
        "name": net.meta.get("name", "network"),
        "device": device,
        "capacity": {key: getattr(capacity, key) for key in ("luts", "ffs", "brams", "dsps")},
        "clock_mhz": clock_mhz,
        "fits": bool(fitting),
        "rough": not is_predicted(device),
        "front": [{"number": number, **point} for number, point in enumerate(front, 1)],
        "others": sorted(others, key=lambda point: (point["cycles"], point["luts"], point["engine"])),
    }


@contextmanager
def _starting(jobs: int) -> Iterator[None]:
    """Begins ``jobs`` processes, which take seconds to be there, beside what is done inside it."""
    import joblib

    if jobs < 2:
        yield
        return
    calls = (joblib.delayed(pareto)([]) for _ in range(jobs))  # imports this module and all that it needs
    with parallel("loky", None):
        begun = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator")(calls)
    try:
        yield
    finally:
        list(begun)


def _faster(one: Wanted, wanted: list[Wanted]) -> int:
    """How many designs of the same engine are asked to be faster."""
    return sum(other.engine == one.engine and other.cycles < one.cycles for other in wanted)


def _rated(
    net: Network,
    device: str,
    clock_mhz: float,
    designs: list[Wanted],
    *,
    jobs: int,
    backend: str,
    scheduler: str | None,
) -> dict[Wanted, dict[str, Any] | None]:
    """The point of each design, None for one that cannot be made, in ``jobs`` processes."""
    import joblib

    designs = sorted(designs, key=lambda one: (-one.estimate, one.engine))  # what takes longest begins first
    if min(jobs, len(designs)) < 2:
        points = [predicted(net, device, clock_mhz, one) for one in designs]
    else:
        with parallel(backend, scheduler):
            calls = (joblib.delayed(predicted)(net, device, clock_mhz, one) for one in designs)
            points = joblib.Parallel(n_jobs=jobs, batch_size=1)(calls)
    return dict(zip(designs, points, strict=True))


def make(net: Network, found: dict[str, Any], number: int, out: str, **options: Any) -> dict[str, Any]:
    """Generates point ``number`` of the front of ``found`` into the folder ``out``; ``options``: others of
    `fermatnet.hw.compiler.generate.generate`. Returns the interface; InputError where there is no such
    point."""
    points = {point["number"]: point for point in found["front"]}
    if number not in points:
        raise InputError(f"the front has points 1 to {len(points)}, not {number}")
    point = points[number]
    return generate(
        with_engine(net, point["engine"]),
        out,
        cycles=point["asked"],
        device=found["device"],
        clock_mhz=found["clock_mhz"],
        external=point["external"] or "none",
        **options,
    )
