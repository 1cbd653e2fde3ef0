"""What benches of rows share: the options they are run with, which of their designs these take, the rows that
are kept, and the JSON of what was found.

A bench takes them as one object and still has the keyword arguments that ``fermatnet bench`` looks for:

    @bench
    def run(asked: Asked) -> list[dict[str, Any]]:
        rows = [measure(name, asked.log) for name in asked.named(DEVICES, "device")]
        asked.write(rows)
        return rows
"""

import functools
import inspect
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.result_log import ResultLog

__all__ = ["Asked", "bench"]

Found = TypeVar("Found")


@dataclass(frozen=True)
class Asked:
    """Options of a bench: where the JSON goes, a folder of networks, the JSONL file of kept rows, the part
    that is wanted by name, and whether a quick part of the measurements is enough."""

    json_path: Path | None = None
    models: str | None = None
    results: str | None = None
    only: str | None = None
    quick: bool | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of networks."""
        return None if self.models is None else Path(self.models)

    @functools.cached_property
    def log(self) -> ResultLog:
        """The rows that are kept, for the length of the run where no file is named."""
        return ResultLog(self.results)

    def named(self, names: Collection[str], what: str) -> list[str]:
        """The one of ``names`` that is asked for, else all; InputError where there is none."""
        found = [name for name in names if self.only in (None, name)]
        if not found:
            raise InputError(f"no {what} of this bench is called {self.only!r}; there are {', '.join(names)}")
        return found

    def holding(self, names: Collection[str]) -> list[str]:
        """Those of ``names`` that hold the word asked for, the first of them in a quick run; InputError where
        there is none."""
        found = [name for name in names if self.only is None or self.only in name]
        if not found:
            raise InputError(f"no design's name holds {self.only!r}; there are {'; '.join(names)}")
        return found[:1] if self.quick else found

    def write(self, found: Any) -> None:
        """Writes ``found`` where JSON is asked for."""
        if self.json_path is not None:
            with atomic_file(self.json_path) as temporary:
                temporary.write_text(json.dumps(found, indent=2) + "\n")


def bench(run: Callable[..., Found]) -> Callable[..., Found]:
    """``run(asked, ...)`` with the fields of `Asked` as keyword arguments in its place."""
    names = [field.name for field in fields(Asked)]

    @functools.wraps(run)
    def measured(**given: Any) -> Found:
        asked = Asked(**{name: given.pop(name) for name in names if name in given})
        return run(asked, **given)

    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]
    others = list(inspect.signature(run).parameters.values())[1:]
    vars(measured)["__signature__"] = inspect.Signature([*keywords, *others])
    return measured
