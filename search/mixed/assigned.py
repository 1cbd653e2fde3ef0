"""From rows of losses and costs to assignments: the one under the limits, and the front."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fermatnet.search.mixed.costs import COSTS
from fermatnet.search.mixed.knapsack import Problem, solve

__all__ = ["Assignments"]

ROUNDS = 8
"""Corrections of the solver's limits by what a whole design was predicted to take."""
Row = dict[str, Any]


@dataclass
class Assignments:
    """groups : names of layers; words : the choices, the first the surroundings of all prices; float_loss;
    pairs : rows of loss and costs, [group][choice]; everywhere : rows of each choice in all groups; limits;
    priced : the row of an assignment (a word a group) as a whole design."""

    groups: list[list[str]]
    words: list[str]
    float_loss: float
    pairs: list[list[Row]]
    everywhere: list[Row]
    limits: Mapping[str, float]
    priced: Callable[[Sequence[str]], Row]

    def __post_init__(self) -> None:
        self.base = np.array([self.everywhere[0][key] for key in self.limits], float)
        shape = len(self.groups), len(self.words)
        loss, costs = np.full(shape, np.inf), np.zeros((len(self.limits), *shape))
        for g, row in enumerate(self.pairs):
            for c, pair in enumerate(row):
                if "refused" not in pair:
                    loss[g, c] = pair["loss"] - self.float_loss
                    costs[:, g, c] = [pair[key] for key in self.limits] - self.base
        self.problem = Problem(loss, costs)

    def results(self, points: int) -> dict[str, Any]:
        """Everything as JSON holds it."""
        found = self.best()
        uniform = [self._entry([c] * len(self.groups), row) for c, row in enumerate(self.everywhere)]
        front = self._undominated([*self.front(points), *uniform, *([found] if found else [])])
        return {
            "float_loss": self.float_loss,
            "groups": [
                {
                    "layers": names,
                    "choices": {w: self._told(row) for w, row in zip(self.words, rows, strict=True)},
                }
                for names, rows in zip(self.groups, self.pairs, strict=True)
            ],
            "uniform": uniform,
            "front": front,
            "found": found,
            "map": self.map(found["choices"]) if found else None,
        }

    def map(self, chosen: Sequence[str]) -> dict[str, str]:
        """Patterns and schemes as `--map` takes them: the surroundings everywhere, then layer by layer."""
        layers = {name: word for names, word in zip(self.groups, chosen, strict=True) for name in names}
        return {"*": self.words[0], **layers}

    def best(self) -> Row | None:
        """The assignment of least increase that keeps the limits as a whole design; None: none was found."""
        limits = np.array(list(self.limits.values()))
        bound, seen, best = limits.copy(), set[tuple[int, ...]](), None
        for _ in range(ROUNDS):
            chosen = solve(self.problem, bound - self.base)
            if chosen is None:
                break
            entry = self._priced(chosen)
            fits = all(entry.get(key, np.inf) <= value for key, value in self.limits.items())
            if fits and (best is None or entry["increase"] < best["increase"]):
                best = entry
            if tuple(chosen) in seen and fits:
                break
            error = np.array([entry.get(key, np.inf) for key in self.limits]) - self._estimate(chosen)
            # the same again, and too large: come nearer from below
            bound = (
                bound - 0.02 * limits
                if tuple(chosen) in seen
                else limits - np.where(np.isfinite(error), error, 0.1 * limits)
            )
            seen.add(tuple(chosen))
        return best

    def front(self, points: int) -> list[Row]:
        """Best assignments for several values of the first limit, the others as they are."""
        possible = np.isfinite(self.problem.loss)
        costs = np.where(possible, self.problem.costs[0], np.inf)
        low = costs.min(1).sum()
        high = self.problem.costs[0][np.arange(len(self.groups)), self.problem.loss.argmin(1)].sum()
        rest = (np.array(list(self.limits.values())) - self.base)[1:]
        rows: dict[tuple[int, ...], Row] = {}
        for bound in np.linspace(low, max(low, high), points):
            slack = 1e-6 * (abs(bound) + 1)
            chosen = solve(self.problem, [bound + slack, *rest])
            if chosen is not None and tuple(chosen) not in rows:
                rows[tuple(chosen)] = self._priced(chosen)
        return list(rows.values())

    def _undominated(self, rows: Sequence[Row]) -> list[Row]:
        """Those that no other one beats in the first cost and in the increase, cheapest first."""
        first = next(iter(self.limits))
        real = (row for row in rows if row["increase"] is not None and "refused" not in row)
        front: list[Row] = []
        for row in sorted(real, key=lambda row: (row[first], row["increase"])):
            if not front or row["increase"] < front[-1]["increase"]:
                front.append(row)
        return front

    def _estimate(self, chosen: Sequence[int]) -> np.ndarray:
        return self.base + self.problem.total(chosen)

    def _priced(self, chosen: Sequence[int]) -> Row:
        return self._entry(chosen, self.priced([self.words[c] for c in chosen]))

    def _entry(self, chosen: Sequence[int], row: Row) -> Row:
        """An assignment: its words, increase, estimated and predicted costs."""
        increase = self.problem.increase(chosen)
        estimate = dict(zip(self.limits, self._estimate(chosen).tolist(), strict=True))
        return {
            "choices": [self.words[c] for c in chosen],
            "increase": increase if np.isfinite(increase) else None,
            "estimated": estimate if np.isfinite(increase) else None,
            **row,
        }

    def _told(self, row: Row) -> Row:
        """A row with its loss as the increase over full precision."""
        told = {key: value for key, value in row.items() if key in COSTS or key == "refused"}
        return {"increase": row["loss"] - self.float_loss, **told}
