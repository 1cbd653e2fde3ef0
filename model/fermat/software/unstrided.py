"""Plans of a layer and its phases: a strided convolution as one of stride 1 with more channels."""

import numpy as np

from fermatnet.model.fermat.software import compiled as software_compiled
from fermatnet.model.fermat.software import generic as software_generic
from fermatnet.model.fermat.software.direct import direct, loop_bits
from fermatnet.model.fermat.software.plan import SoftwarePlan, choose
from fermatnet.model.fermat.software.weights import Weights

__all__ = ["plan_for", "unstrided"]


def plan_for(
    x_shape: tuple[int, ...],
    weights: Weights,
    x_range: tuple[int, int],
    padding: tuple[int, int],
    **options: object,
) -> SoftwarePlan:
    """The plan of one unstrided group: x (n, C, H, W) with weights (O, C, kh, kw)."""
    n, channels, height, width = x_shape
    outputs, _, kh, kw = weights.w.shape
    out = (height + 2 * padding[0] - kh + 1, width + 2 * padding[1] - kw + 1)
    return choose((n, channels, outputs, kh, kw, *out), *weights.interval(*x_range), **options)  # type: ignore[arg-type]


def unstrided(
    x: np.ndarray,
    weights: Weights,
    padding: tuple[int, int],
    x_range: tuple[int, int],
    out: np.ndarray,
    backend: str,
    memory: int,
    threads: int,
    profile: dict[str, float] | None,
    options: dict[str, object],
) -> None:
    """One group of stride 1, x (n, C, H, W) with weights (O, C, kh, kw), written into ``out``."""
    plan = plan_for(x.shape, weights, x_range, padding, **options)
    if profile is not None:
        profile.setdefault("plans", []).append(plan)  # type: ignore[arg-type, attr-defined]
    if plan.method == "direct" and backend == "compiled":
        out[...] = direct(
            x, weights.w, padding, threads, loop_bits(x_range, max(plan.high, -plan.low), weights.w)
        )
    elif backend == "compiled":
        software_compiled.run(x, weights, padding, plan, out, memory, threads, profile)
    else:
        if plan.method == "direct":
            plan = plan_for(x.shape, weights, x_range, padding, **{**options, "method": "fermat"})
        out[...] = software_generic.convolve(x, weights.w, padding, plan, memory)
