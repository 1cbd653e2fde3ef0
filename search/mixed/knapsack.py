"""One choice a layer, the least sum of losses, sums of costs within limits: the multiple-choice knapsack.

    minimise    sum_g sum_c loss[g, c] x[g, c]
    subject to  sum_c x[g, c] = 1 for every group g
                sum_g sum_c cost_k[g, c] x[g, c] <= limit_k for every cost k
                x[g, c] in {0, 1}

A mixed-integer linear program, solved exactly by HiGHS (`scipy.optimize.milp`): as HAWQ-V3 assigns bits (Yao
et al. 2021, equation 8), with any number of limits at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import LinearConstraint, milp

from fermatnet.model.errors import InputError

__all__ = ["Problem", "solve"]


@dataclass(frozen=True)
class Problem:
    """loss : float (G, C), ``inf`` for a choice that a group cannot have; costs : float (K, G, C)."""

    loss: np.ndarray
    costs: np.ndarray

    def total(self, chosen: Sequence[int]) -> np.ndarray:
        """Float (K,): the sums of an assignment, a choice a group."""
        return self.costs[:, np.arange(len(chosen)), list(chosen)].sum(1)

    def increase(self, chosen: Sequence[int]) -> float:
        """Sum of the losses of an assignment."""
        return float(self.loss[np.arange(len(chosen)), list(chosen)].sum())


def solve(problem: Problem, limits: Sequence[float]) -> list[int] | None:
    """The best choice of each group within ``limits`` (K,), or None where no assignment keeps them.
    InputError where a group has no choice at all."""
    groups, choices = problem.loss.shape
    possible = np.isfinite(problem.loss)
    if not possible.any(1).all():
        raise InputError(f"group {int(np.argmin(possible.any(1)))} of layers can have none of the choices")
    size = np.where(possible, problem.loss, 0.0).ravel()
    costs = np.where(possible, problem.costs, 0.0).reshape(len(limits), -1)
    # numbers near 1: the solver's tolerances are absolute
    scale = np.maximum(np.abs(costs).max(1, initial=0.0), 1e-30)
    one = sparse.kron(sparse.eye_array(groups), np.ones((1, choices)), format="csr")
    constraints = [LinearConstraint(one, 1, 1)]
    if len(limits):
        constraints.append(LinearConstraint(costs / scale[:, None], -np.inf, np.asarray(limits) / scale))
    found = milp(
        size / max(1e-30, float(np.abs(size).max())),
        integrality=np.ones(size.size),
        bounds=(0, possible.ravel().astype(float)),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    return [int(k) for k in found.x.reshape(groups, choices).argmax(1)]
