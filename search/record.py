"""The folder of a search: config.json, checkpoint.pt and, at the end, result.json with the budget that was
spent."""

import time
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.model.train.folder import RunFolder

__all__ = ["SearchRecord"]


class SearchRecord:
    """Begins a search in ``out``, or takes up the one that is there.

    settings: what a resumed search must agree with. ``state``: what its checkpoint holds, or None.
    ``seconds`` counts those of the interrupted runs too.
    """

    def __init__(self, out: str | Path, settings: dict[str, Any], resume: bool) -> None:
        self.folder = RunFolder(out)
        self.settings = settings
        self.state: dict[str, Any] | None = None
        self.created = False
        if resume and self.folder.has("config.json"):
            old = self.folder.read_json("config.json")
            differ = [key for key in settings if old.get(key) != settings[key]]
            if differ:
                raise InputError(f"{out} is a search with another {', '.join(differ)}: resume with the same")
            if self.folder.has("checkpoint.pt"):
                self.state = self.folder.load("checkpoint.pt")
        elif resume:
            raise InputError(f"{out} holds no search to resume: leave --resume out to begin one")
        else:
            self.folder.create()
            self.created = True
            self.folder.write_json("config.json", settings)
        self.before = float(self.state["seconds"]) if self.state else 0.0
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds that the search has taken, earlier runs of it included."""
        return self.before + time.perf_counter() - self.started

    def keep(self, state: dict[str, Any]) -> None:
        """A checkpoint."""
        self.folder.save("checkpoint.pt", state | {"seconds": self.seconds})

    def discard(self) -> None:
        """Take a folder away that this search made and that holds no checkpoint yet, so that the corrected
        call finds its place free."""
        if self.created and not self.folder.has("checkpoint.pt"):
            self.folder.discard()

    def close(self, found: dict[str, Any], budget: dict[str, Any]) -> dict[str, Any]:
        """Write and return the result: what was found, and the budget: steps, seconds, device."""
        result = {**self.settings, **found, "budget": {**budget, "seconds": round(self.seconds, 1)}}
        self.folder.write_json("result.json", result)
        return result
