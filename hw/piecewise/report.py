"""What a piecewise layer costs in each of its exact forms: planes M x N, planes really built, LUTs an
effective multiply-accumulate."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fermatnet.hw.piecewise.dot import Lanes
from fermatnet.hw.piecewise.forms import choose_form, estimate, forms_of
from fermatnet.hw.rtl.words import range_shape

__all__ = ["layer_report"]


def layer_report(
    levels_w: ArrayLike, levels_a: ArrayLike, *, simd: int, pe: int = 1, target: str = "lut6"
) -> dict[str, Any]:
    """Costs of a lane of the array, from the plans of its real trees (before synthesis), for every exact
    form.

    Returns ``planes_mn`` (M x N of (3.19)), ``chosen`` (what `PiecewiseArray` builds), ``planes_built`` and,
    under ``forms``, for each:
    ``planes``, ``weight_bits`` in memory, ``luts_per_mac`` (compressor trees, product tables and this
    output's share of the activation planes; accumulator and control left out). ``powers`` is plain binary
    arithmetic: bit by bit products of two's complement levels.
    """
    w, a = np.asarray(levels_w, np.int64), np.asarray(levels_a, np.int64)
    reach = simd * int(a[-1])
    width = range_shape(min(0, int(w[0]) * reach), max(0, int(w[-1]) * reach)).width
    chosen = choose_form(w, a, simd, pe, target)
    forms: dict[str, dict[str, Any]] = {}
    for name, form in forms_of(w, a).items():
        lanes = Lanes(form, simd, width)
        plans = [heap.plan(target) for heap in (*lanes.trees, lanes.joint) if heap is not None]
        made = [plan for plan in plans if plan is not None]
        heaps = sum(plan.cost for plan in made) if made else estimate(form, simd, pe, target)
        tables = 0.0
        if made and form.kind == "table":
            inputs, size = form.weight_bits + (a.size - 1).bit_length(), 4 if target == "ecp5" else 6
            tables = simd * sum(group.bits for group in form.groups) * (1 << max(0, inputs - size))
        elif made and form.activation_planes is not None:
            tables = simd * form.activation_planes.count / pe
        forms[name] = {
            "planes": form.planes,
            "weight_bits": form.weight_bits,
            "luts_per_mac": round((heaps + tables) / simd, 3),
            "carry_positions": sum(plan.carries for plan in made),
        }
    return {
        "planes_mn": int(np.count_nonzero(w) * np.count_nonzero(a)),
        "chosen": chosen.kind,
        "planes_built": chosen.planes,
        "simd": simd,
        "pe": pe,
        "target": target,
        "forms": forms,
    }
