"""How many operations a convolution takes: the direct method, the thesis' count for its transform, and what
this implementation executes.

The last is counted on the generated code: the operations each 1-D transform emits, times how often the plan
runs it; lane operations, padding of vectors left out. Shifts by a constant and reductions (mask, shift,
subtract) take the place of the diminished-1 end-around carry.
"""

from fermatnet.model.fermat.software.codegen import BITS, LANE_BITS, LAST, SMALL, transform
from fermatnet.model.fermat.software.moduli import PASSES
from fermatnet.model.fermat.software.plan import SoftwarePlan

__all__ = ["direct_count", "plan_count", "thesis_count", "unified"]


def direct_count(batch: int, channels: int, outputs: int, n: int, k: int) -> dict[str, int]:
    """Table 2.1: multiplications and additions of the direct method, same padding."""
    total = batch * channels * outputs * n * n * k * k
    return {"multiply": total, "add": total}


def thesis_count(batch: int, channels: int, outputs: int, n: int, k: int) -> dict[str, int]:
    """Table 2.1: the thesis' DFNT, transform length n + k - 1 padded to a power of two; `convert` counts both
    directions."""
    length = 1 << (n + k - 2).bit_length()
    planes = batch * channels + channels * outputs + batch * outputs
    stages = 2 * length * length * (length.bit_length() - 1) * planes
    products = batch * channels * outputs * length * length
    convert = n * n * batch * (outputs + channels) + k * k * channels * outputs
    return {"multiply": products, "add": stages + products, "shift": stages, "convert": convert}


def unified(counts: dict[str, int], multiply: int, add: int, rest: int = 1) -> int:
    """One number, as figure 2.1 does: weights for a multiplication and an addition in units of 32-bit
    multiplication and 64-bit addition."""
    return (
        multiply * counts["multiply"]
        + add * counts["add"]
        + rest * (counts.get("shift", 0) + counts.get("reduce", 0) + counts.get("convert", 0))
    )


def plan_count(plan: SoftwarePlan, with_weights: bool = True) -> dict[str, int]:
    """Operations this implementation executes for a plan: `multiply` are 16-bit multiply-adds of the point
    products (all passes), `add`, `shift` and `reduce` belong to the transforms (a reduction is three
    operations), `convert` to the limbs and the
    join."""
    images, channels, outputs, kh, _, oh, ow = plan.shape
    if plan.method == "direct":
        total = images * channels * outputs * kh * plan.shape[4] * oh * ow
        return {"multiply": total, "add": total, "shift": 0, "reduce": 0, "convert": 0}
    (ny, nx), tiles = plan.points, images * plan.tiles[0] * plan.tiles[1]
    points = ny * nx
    counts = {
        "multiply": tiles * channels * outputs * points * sum(PASSES[t] for t in plan.moduli),
        "add": 0,
        "shift": 0,
        "reduce": 0,
        "convert": 0,
    }
    for t in plan.moduli:
        b, lane, balanced, loose = BITS[t], LANE_BITS[t], (1 << (BITS[t] - 1)) + 1, 2 << BITS[t]
        last = LAST[t]
        # (direction, length, bounds of input and output) -> how often; as the kinds in
        # codegen.header
        runs = [
            ("forward", nx, SMALL, loose, tiles * channels * min(ny, oh + kh - 1)),
            ("forward", ny, loose, last, tiles * channels * nx),
            ("inverse", ny, loose, loose, tiles * outputs * nx),
            ("inverse", nx, loose, 0, tiles * outputs * min(plan.tile[0], oh)),
        ]
        if with_weights:
            runs += [
                ("forward", nx, balanced, loose, channels * outputs * kh),
                ("forward", ny, loose, last, channels * outputs * nx),
            ]
        for direction, length, bound, out, times in runs:
            for kind, count in transform("count", b, lane, length, direction, bound, out)[1].items():
                counts[kind] += count * times
        counts["convert"] += points * (tiles * channels * PASSES[t] + tiles * outputs * PASSES[t])
    return counts
