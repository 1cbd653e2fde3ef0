# amaranth: UnusedElaboratable=no
"""The fastest design whose *predicted* tables stay within a number of LUTs.

Folds are chosen by the layers' own `cost`, a formula of microseconds that knows neither queues nor
width conversions and can be a third off. So the formula only leads the search: a design is planned for a
period, predicted layer by layer as `fermatnet.hw.resources.layers` does, and the period corrected until the
next shorter one is too large. What comes out always has a prediction within the budget.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from fermatnet.hw.compiler import folding
from fermatnet.hw.compiler.design import Design
from fermatnet.hw.compiler.planner import layers_for, least_beats, plan
from fermatnet.hw.devices import device as find_device
from fermatnet.hw.resources import Resources
from fermatnet.hw.resources import layers as resources_layers
from fermatnet.hw.rtl.clock import DEFAULT_MHZ
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network

__all__ = ["PROBES", "plan_within"]

PROBES = 8
"""Designs that are planned and predicted at most, the smallest one apart."""
FIRST_RATIO = {"ecp5": 1.4}
"""Tables predicted for one of the formula, to begin with; the formula counts those of six inputs."""
HOPELESS = 3.0
"""By how much the formula must see the smallest network over the budget to refuse it unpredicted."""


def plan_within(
    net: Network,
    luts: float,
    device: str,
    *,
    external: Collection[str] | str = "auto",
    clock_mhz: float = DEFAULT_MHZ,
    dsps: int | None = None,
    progress: Callable[[str], None] | None = None,
    known: dict[Any, Resources] | None = None,
    plain: bool = False,
) -> Design:
    """The design for ``luts`` tables on ``device``, whose cells must be of a predicted family.

    ``dsps``, ``plain``: as in `fermatnet.hw.compiler.planner.plan`. Raises InputError, with what the smallest
    design would take, when none is within. ``progress`` is told each design tried; ``known`` gets what layers
    were predicted to take, for `fermatnet.hw.resources.layers.by_layer`. Takes the time of a few predictions:
    seconds.
    """
    say = progress or (lambda words: None)
    search = _Search(net, luts, device, external, clock_mhz, dsps, say, {} if known is None else known, plain)
    return search.run()


@dataclass
class _Search:
    net: Network
    luts: float
    device: str
    external: Collection[str] | str
    clock_mhz: float
    dsps: int | None
    progress: Callable[[str], None]
    known: dict[Any, Resources]  # of layers that stay as they are from one design to the next
    plain: bool

    def __post_init__(self) -> None:
        self.layers = layers_for(self.net, self.device, clock_mhz=self.clock_mhz, plain=self.plain)
        self.floor = least_beats(self.net)
        self.periods = folding.periods(self.layers, self.floor)

    def run(self) -> Design:
        costs = [folding.total_cost(self.layers, self._folds(at)) for at in range(len(self.periods))]
        last = len(costs) - 1
        if costs[last] > HOPELESS * self.luts:
            raise InputError(
                f"{self.luts:.0f} LUTs cannot be met: the smallest network takes about {costs[last]:.0f}"
            )
        best, too_large, fits = None, -1, last + 1
        ratio = FIRST_RATIO.get(find_device(self.device).family, 1.0)
        for probe in range(PROBES):
            if fits - too_large <= 1:
                break
            # the first period whose cost, corrected by what the formula was off last time, is within
            at = next((k for k in range(last + 1) if costs[k] * ratio <= self.luts), last)
            at = min(max(at, too_large + 1), fits - 1)
            if probe >= PROBES // 2:  # where the formula leads nowhere
                at = (too_large + fits) // 2
            try:
                design, predicted = self._predict(at)
            except InputError:
                if self.dsps is None:
                    raise
                # too many multipliers at this speed
                too_large = at
                continue
            ratio = predicted / costs[at]
            if predicted <= self.luts:
                best, fits = design, at
            else:
                too_large = at
        return best if best is not None else self._smallest(last)

    def _smallest(self, last: int) -> Design:
        design, predicted = self._predict(last)
        if predicted > self.luts:
            raise InputError(
                f"{self.luts:.0f} LUTs cannot be met: "
                f"the smallest design is predicted to take {round(predicted)}"
            )
        return design

    def _folds(self, at: int) -> folding.Folds:
        return folding.fold_for_cycles(self.layers, self.periods[at], self.floor)

    def _predict(self, at: int) -> tuple[Design, float]:
        self.progress(f"trying {self.periods[at]} cycles an image")
        design = plan(
            self.net,
            folds=self._folds(at),
            device=self.device,
            external=self.external,
            clock_mhz=self.clock_mhz,
            dsps=self.dsps,
            plain=self.plain,
        )
        total = resources_layers.total(resources_layers.by_layer(design, self.device, known=self.known))
        return design, round(total.luts)
