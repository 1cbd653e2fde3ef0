"""Where not to use transforms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.table import Table

from fermatnet.bench.software.baselines import Layer
from fermatnet.bench.software.measure import median, race
from fermatnet.bench.software.report import Result, console, ms
from fermatnet.model.fermat.software.convolution import clear_cache, convolve
from fermatnet.model.fermat.software.pricing import Costs

__all__ = ["losing"]


def losing(quick: bool, costs: Costs) -> Result:
    """Where not to use transforms: one-tap kernels, few channels, depthwise layers, and cold weights."""
    cases = {
        "1x1 kernel, 256 -> 256, n = 14": (8, 1, 14, 256, 256, 1),
        "depthwise 3x3, 128 channels, n = 28": (2, 3, 28, 128, 128, 128),
        "3x3 kernel, 1 -> 1 channel, n = 200": (1, 3, 200, 1, 1, 1),
        "3x3 kernel, 384 -> 384, n = 14, batch 1": (1, 3, 14, 384, 384, 1),
    }
    table = Table(title="Losing or narrow cases, INT8, one thread")
    for column in ("case", "transforms ms", "chosen", "chosen ms", "float64 ms", "weights uncached ms"):
        table.add_column(column, justify="right")
    rows = []
    for name, (batch, k, n, f, o, groups) in cases.items():
        data = Layer.random(batch, k, n, f // groups if groups > 1 else f, o, np.int8)
        x = data.x if groups == 1 else Layer.random(batch, k, n, f, o, np.int8).x
        profile: dict[str, Any] = {}
        xd, wd = torch.from_numpy(x).double(), torch.from_numpy(data.w).double()

        def ours(
            method: str, x: np.ndarray = x, data: Layer = data, groups: int = groups, cache: bool = True
        ) -> Callable[[], np.ndarray]:
            return lambda: convolve(x, data.w, 1, data.pad, groups, method=method, threads=1, cache=cache)

        def rival(
            xd: torch.Tensor = xd, wd: torch.Tensor = wd, pad: int = data.pad, groups: int = groups
        ) -> torch.Tensor:
            return torch.nn.functional.conv2d(xd, wd, padding=pad, groups=groups)

        torch.set_num_threads(1)
        convolve(x, data.w, 1, data.pad, groups, threads=1, profile=profile)
        times, _ = race(
            {
                "fermat": ours("fermat"),
                "auto": ours("auto"),
                "float64": rival,
                "cold": ours("fermat", cache=False),
            },
            1 if quick else 5,
        )
        method = profile["plans"][0].method
        rows.append({"case": name, "method": method, "seconds": times})
        table.add_row(
            name,
            ms(median(times["fermat"])),
            method,
            *(ms(median(times[key])) for key in ("auto", "float64", "cold")),
        )
        clear_cache()
    console.print(table)
    return {"rows": rows}
