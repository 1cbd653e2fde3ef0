"""The software convolution beside its rivals: tables 2.1 to 2.3, figures 2.1 to 2.5, in one run.

    fermatnet bench software --json software.json
    python -m fermatnet.bench.software.overview --plots DIR [--quick] [--only table-2.3 ...]

Times are medians over interleaved rounds (A B C A B C ...), so that a busy machine slows all alike; ratios
are medians of the ratios within a round, with the least and the greatest beside them. With one thread, times
are the processor's (on an idle machine the same as elapsed); with several, elapsed.
Our time includes everything a call does (bound, plan, comparison of the weights with the cache, all
transforms of the image and of the result);
weight spectra are in the cache, as kernels are prepared in advance for every rival.
"""

import argparse
import dataclasses
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from fermatnet.bench.software.baselines import Layer
from fermatnet.bench.software.curves import growth, threads
from fermatnet.bench.software.exact import mismatches, operations
from fermatnet.bench.software.losing import losing
from fermatnet.bench.software.measure import calibrate
from fermatnet.bench.software.report import Result, console
from fermatnet.bench.software.runtime import runtime
from fermatnet.model.errors import InputError
from fermatnet.model.fermat.software.build import library
from fermatnet.model.fermat.software.convolution import explain
from fermatnet.model.fermat.software.pricing import Costs

__all__ = ["SECTIONS", "run"]

SECTIONS: dict[str, Callable[[bool, Costs], Result]] = {
    "table-2.1": operations,
    "table-2.2": mismatches,
    "table-2.3": runtime,
    "figures-2.2-2.4": growth,
    "figure-2.5": threads,
    "losing": losing,
}


def run(
    json_path: Path | str | None = None,
    plots: Path | str | None = None,
    quick: bool = False,
    only: Sequence[str] = (),
) -> Result:
    """Prints every table; optionally writes all figures as JSON and the plots (SVG) into a folder.

    quick: tiny batches and few rounds, for trying out: its times mean nothing. only: names of SECTIONS.
    """
    for name in only:
        if name not in SECTIONS:
            raise InputError(f"no section is called {name!r}; there are {', '.join(SECTIONS)}")
    instructions = library().fermat_instructions().decode()
    console.print(
        f"{platform.processor() or platform.machine()}, {instructions}, torch {torch.__version__}, numpy "
        f"{np.__version__}"
    )
    figures: Result = {
        "instructions": instructions,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "quick": quick,
    }
    wanted = [name for name in SECTIONS if not only or name in only]
    costs = calibrate((3, 4, 5), rounds=1 if quick else 9) if "figures-2.2-2.4" in wanted else Costs()
    figures["costs"] = dataclasses.asdict(costs)
    for name in wanted:
        figures[name] = SECTIONS[name](quick, costs)
    data = Layer.random(4, 5, 12, 256, 384, np.int8)
    console.print(
        "\nWhy (5, 16, 256, 384), INT8, batch 4 is done as it is:\n" + explain(data.x, data.w, 1, 2)
    )
    if json_path is not None:
        Path(json_path).write_text(json.dumps(figures, indent=1, default=float))
    if plots is not None:
        from fermatnet.bench.software.plots import draw

        for path in draw(figures, Path(plots)):
            console.print(f"wrote {path}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plots", metavar="DIR")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=(), metavar="SECTION", help=", ".join(SECTIONS))
    options = parser.parse_args()
    run(options.json, options.plots, options.quick, options.only)


if __name__ == "__main__":
    main()
