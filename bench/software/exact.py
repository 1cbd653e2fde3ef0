"""Tables 2.1 and 2.2, figure 2.1: how many operations, and how many wrong images."""

from typing import Any

import numpy as np
import torch
from rich.table import Table

from fermatnet.bench.software.baselines import Layer
from fermatnet.bench.software.report import LAYERS, Result, console, layer_name
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software.convolution import clear_cache, convolve
from fermatnet.model.fermat.software.counts import direct_count, plan_count, thesis_count, unified
from fermatnet.model.fermat.software.moduli import modulus_name
from fermatnet.model.fermat.software.plan import choose
from fermatnet.model.fermat.software.pricing import Costs

__all__ = ["mismatches", "operations"]


def operations(quick: bool, costs: Costs) -> Result:
    """Table 2.1 and figure 2.1."""
    batch, k, f, o = 128, 7, 96, 256
    table = Table(
        title=f"Table 2.1, figure 2.1: operations, batch {batch}, {f} -> {o} channels, k = {k} (G = 10^9; "
        "16-bit, 32- and 64-bit as marked)"
    )
    for column in (
        "n",
        "direct: mul + add",
        "thesis: mul + add + shift",
        "of it",
        "ours: 16-bit mul-add",
        "transform add",
        "shift",
        "reduce",
        "of direct",
    ):
        table.add_column(column, justify="right")
    rows = []
    for n in (10, 18, 26, 34, 42, 58, 90):
        direct, thesis = direct_count(batch, f, o, n, k), thesis_count(batch, f, o, n, k)
        plan = choose((batch, f, o, k, k, n, n), -(1 << 27), 1 << 27, method="fermat")
        ours = plan_count(plan)
        # the thesis' units for INT16: 32-bit multiplication = 1, 64-bit addition = 1; a 64-bit multiplication
        # is four, a 32-bit addition half
        totals = {
            "direct": unified(direct, 1, 1),
            "thesis": unified(thesis, 4, 1),
            "ours": unified(ours, 1, 1) + 2 * ours["reduce"],
        }
        rows.append(
            {
                "n": n,
                "direct": direct,
                "thesis": thesis,
                "ours": ours,
                "unified": totals,
                "points": plan.points,
            }
        )
        cells = [
            unified(direct, 1, 1),
            unified(thesis, 1, 1),
            ours["multiply"],
            ours["add"],
            ours["shift"],
            ours["reduce"],
        ]
        shown = [f"{v / 1e9:.2f}" for v in cells]
        table.add_row(
            str(n),
            shown[0],
            shown[1],
            f"{cells[0] / cells[1]:.1f} x",
            *shown[2:],
            f"{totals['direct'] / totals['ours']:.1f} x",
        )
    console.print(table)
    return {"rows": rows}


def mismatches(quick: bool, costs: Costs) -> Result:
    """Table 2.2: whole images against a direct convolution in float64, whose sums are below 2^53 here and
    therefore exact."""
    images, chunk = (2, 2) if quick else (100, 50)
    table = Table(
        title=f"Table 2.2: mismatch / match, {images} random images a layer against a direct convolution"
    )
    for column in ("layer", "INT16", "INT8", "greatest |y| (INT16)", "bound", "modulus"):
        table.add_column(column, justify="right")
    rows = []
    for layer in LAYERS:
        k, n, f, o = layer
        cells: dict[type, tuple[Any, ...]] = {}
        row: Result = {"layer": layer}
        for kind in (np.int16, np.int8):
            wrong = done = values = greatest = 0
            for seed in range(images // chunk):
                data = Layer.random(chunk, k, n, f, o, kind, seed)
                bound = max(np.abs(data.w.astype(np.int64)).reshape(o, -1).sum(1).tolist()) * -int(
                    np.iinfo(kind).min
                )
                if bound >= 1 << 53:
                    raise InputError("the oracle would round")
                profile: dict[str, Any] = {}
                got = convolve(data.x, data.w, 1, data.pad, method="fermat", profile=profile)
                exact = torch.nn.functional.conv2d(
                    torch.from_numpy(data.x).double(), torch.from_numpy(data.w).double(), padding=data.pad
                ).numpy()
                wrong += int((got != exact).any(axis=(1, 2, 3)).sum())
                done, values, greatest = (
                    done + chunk,
                    values + got.size,
                    max(greatest, int(np.abs(got).max())),
                )
                clear_cache()
            plan = profile["plans"][0]
            cells[kind] = (
                f"{wrong}/{done - wrong}",
                greatest,
                bound,
                "+".join(map(modulus_name, plan.moduli)),
            )
            row[kind.__name__] = {
                "mismatch": wrong,
                "match": done - wrong,
                "values": values,
                "greatest": greatest,
                "moduli": plan.moduli,
            }
        rows.append(row)
        wide, narrow = cells[np.int16], cells[np.int8]
        table.add_row(
            layer_name(layer),
            wide[0],
            narrow[0],
            f"{wide[1]:.3g}",
            f"{wide[2]:.3g}",
            f"{wide[3]}, {narrow[3]}",
        )
    console.print(table)
    return {"images": images, "rows": rows}
