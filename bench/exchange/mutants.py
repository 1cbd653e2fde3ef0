"""Files with one thing changed: the import refuses them by name, or gives what the file's own executor gives.

``python -m fermatnet.bench.exchange.mutants --count 1000 --seed 0``. A mutant changes one attribute, domain,
operator, constant (shape, broadcast axis, type, value), input, version or declared shape of a small QONNX
network. Each is translated *without* the comparison that guards `import-qonnx`, then compared with the
executor on other images: so the table of operators is judged by itself, and what only the comparison would
have caught is counted as wrong.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from fermatnet.bench.exchange.graphs import GRAPHS, graph
from fermatnet.bench.exchange.mutations import changed
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.compare import compare
from fermatnet.model.exchange.qonnx.importer import translated
from fermatnet.model.exchange.source_file import read

__all__ = ["main", "mutants", "report", "verdict"]


def mutants(count: int, seed: int) -> Iterator[tuple[str, onnx.ModelProto]]:
    """``count`` models, each with a line that says what was changed."""
    rng, names = np.random.default_rng(seed), list(GRAPHS)
    for k in range(count):
        name = names[k % len(names)]
        model = graph(name, int(rng.integers(1 << 30)))
        yield f"{name}, {changed(model, rng)}", model


def verdict(model: onnx.ModelProto, folder: Path) -> tuple[str, str]:
    """("refused" or "equal" or "wrong", reason)."""
    path = folder / "mutant.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        source = read(path)
        made = translated(source)
    except InputError as error:
        words = str(error)
        return ("refused", words) if "\n" not in words else ("wrong", f"more than one line: {words}")
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    try:
        return "equal", compare(
            made.network, made.tensor, made.output, source, made.scale, 0.0, count=12, seed=1
        )
    except InputError as error:
        return "wrong", str(error)


def main(arguments: list[str] | None = None) -> int:
    """The command; its status is 1 where a mutant was translated into another function."""
    return report("QONNX", mutants, verdict, arguments)


def report(
    format_name: str,
    mutants: Callable[[int, int], Iterable[tuple[str, Any]]],
    verdict: Callable[[Any, Path], tuple[str, str]],
    arguments: list[str] | None,
) -> int:
    """Judges mutants as the command line asks, prints the tally, and returns 1 where one was wrong."""
    parser = argparse.ArgumentParser(description=f"Mutated {format_name} files through the import.")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print every mutant and its verdict")
    given = parser.parse_args(arguments)
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for what, model in mutants(given.count, given.seed):
            found, reason = verdict(model, Path(folder))
            tally[found] += 1
            if given.show or found == "wrong":
                print(f"{found}: {what}: {reason}")
    print(
        f"{given.count} mutants of seed {given.seed}: {tally['refused']} refused, {tally['equal']} equal, "
        f"{tally['wrong']} wrong"
    )
    return int(tally["wrong"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
