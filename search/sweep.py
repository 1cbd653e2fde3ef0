"""Sweeps: many trainings from one TOML file, on joblib's back ends, with every finished row kept.

    out = "sweep"                 # folder: a run folder a row, and results.jsonl
    data = "digits"

    [options]                     # for every row: of `fermatnet train`
    epochs = 10

    [grid]                        # all combinations
    net = ["digits", "tfc"]
    scheme = ["pa", "int8"]
    seed = [0, 1, 2]

    [[rows]]                      # or, or also, one by one
    net = "small-resnet"

A row is trained by `fermatnet.model.train.run.train` in a folder named by what it is, so a sweep that was
killed goes on: finished rows are not run again, and one that had begun is resumed from its checkpoint.
"""

import hashlib
import itertools
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.model.train.options import SHAPES
from fermatnet.model.zoo.catalogue import check
from fermatnet.search.backends import BACKENDS, check_backend, parallel

__all__ = ["BACKENDS", "Sweep", "read_sweep", "run_sweep"]

_KEYS = {"out", "data", "options", "grid", "rows", "recipe"}
_OF_A_ROW = {"net", "data", "recipe", "network", *SHAPES}


class Sweep:
    """out: the folder; rows: settings of every training, each with ``net`` and ``data``."""

    def __init__(self, out: Path, rows: list[dict[str, Any]]) -> None:
        self.out, self.rows = out, rows

    @property
    def results(self) -> Path:
        """The file of results, a line each."""
        return self.out / "results.jsonl"

    def finished(self) -> dict[str, dict[str, Any]]:
        """Results so far by key; a last line that a kill has cut short is no result."""
        by_key = {}
        lines = self.results.read_text().splitlines() if self.results.is_file() else []
        for line in lines:
            try:
                entry = json.loads(line)
                by_key[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                continue
        return by_key


def key_of(row: dict[str, Any]) -> str:
    """A name of the row's folder: the network and a digest of all settings."""
    digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:12]
    return f"{row['net']}-{digest}"


def read_sweep(path: str | Path) -> Sweep:
    """The sweep of a file; InputError in one line where something in it is unknown or missing."""
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from error
    for key in document.keys() - _KEYS:
        raise InputError(f"{path}: a sweep has no {key!r}; it has {', '.join(sorted(_KEYS))}")
    grid = document.get("grid", {})
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{path}: grid.{key} must be a list of values, such as {key} = [0, 1]")
    common = {key: document[key] for key in ("data", "recipe") if key in document}
    common = common | document.get("options", {})
    rows = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    rows = [common | row for row in (rows if grid else []) + list(document.get("rows", []))]
    if not rows:
        raise InputError(f"{path} has neither a [grid] nor [[rows]]")
    for number, row in enumerate(rows, start=1):
        for key in row.keys() - _OF_A_ROW:
            raise InputError(f"{path}, row {number}: training has no option {key!r}")
        for key in ("net", "data"):
            if not isinstance(row.get(key), str):
                raise InputError(f"{path}, row {number}: it has no {key}")
        check(row["net"])
    keys = [key_of(row) for row in rows]
    twice = [row["net"] for row, key in zip(rows, keys, strict=True) if keys.count(key) > 1]
    if twice:
        raise InputError(f"{path}: a row of {twice[0]} is there twice")
    return Sweep(path.parent / document.get("out", path.stem), rows)


def perform(row: dict[str, Any], folder: str) -> dict[str, Any]:
    """One row in this process: what the run's summary says, or the error's one line."""
    from fermatnet.model.train.run import train

    options = {"threads": 1} | row
    net, data = options.pop("net"), options.pop("data")
    entry: dict[str, Any] = {"key": key_of(row), "settings": row}
    try:
        summary = train(net, data, folder, resume=True, progress=False, **options)
    except InputError as error:
        return entry | {"error": str(error)}
    kept = ("accuracy", "top5", "test_accuracy", "final", "seconds", "test_images")
    return entry | {key: summary[key] for key in kept if key in summary}


def run_sweep(
    sweep: Sweep,
    *,
    backend: str = "loky",
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train every row that is not finished; results in the rows' order.

    backend: "loky" (processes of this machine), "threading", or "dask" with the address of a ``scheduler``,
    whose workers have to see the sweep's folder under the same path. jobs: rows at a time. A row that ends
    with an error is reported and run again the next time.
    """
    import joblib

    check_backend(backend, scheduler)
    sweep.out.mkdir(parents=True, exist_ok=True)
    done = sweep.finished()
    todo = [row for row in sweep.rows if key_of(row) not in done]
    if todo:
        with parallel(backend, scheduler), sweep.results.open("a") as kept:
            if kept.tell() and not sweep.results.read_text().endswith("\n"):
                kept.write("\n")  # after a line that a kill has cut short
            calls = (joblib.delayed(perform)(row, str(sweep.out / key_of(row))) for row in todo)
            for entry in joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls):
                if "error" not in entry:
                    kept.write(json.dumps(entry) + "\n")
                    kept.flush()
                done[entry["key"]] = entry
                if progress is not None:
                    progress(entry)
    return [done[key_of(row)] for row in sweep.rows]
