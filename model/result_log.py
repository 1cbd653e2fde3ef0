"""Results of long benches, a line of JSON each as they come, so that an interrupted run goes on where it
stopped.

A row is found again by its key only while the design that it was measured on is the same: the key holds a
digest of it.
"""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["ResultLog", "design_digest", "digest"]


def digest(text: str) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def design_digest(folder: Path) -> str:
    """SHA-256 of everything in a folder that is synthesised: the Verilog and the contents of its memories,
    where networks of equal shapes differ."""
    found = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".v", ".hex"):
            found.update(file.name.encode() + file.read_bytes())
    return found.hexdigest()


class ResultLog:
    """Rows kept in a file, or for the length of a run when there is no path.

    Parameters
    ----------
    path : of the JSONL file; made when the first row comes. Lines that do not parse (a run was killed while
    it wrote) are ignored.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.rows: dict[str, dict[str, Any]] = {}
        if self.path is not None and self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    row = json.loads(line)
                    self.rows[row["key"]] = row
                except (json.JSONDecodeError, TypeError, KeyError):
                    continue

    def row(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row of this key, made and written now unless it is known."""
        if key not in self.rows:
            found = {"key": key, "date": time.strftime("%Y-%m-%d", time.gmtime()), **make()}
            self.rows[key] = found
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a") as file:
                    file.write(json.dumps(found) + "\n")
        return self.rows[key]
