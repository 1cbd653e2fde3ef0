"""The one results file of a run, summary.json: what was reached, how long it took and what the machine had to
give."""

import resource
import sys
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fermatnet.model.errors import InputError
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.processes import gathered

__all__ = ["Results", "lost_files", "progress_bars", "tell", "tensorboard", "write"]


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in units of 1e6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


class Results:
    """Figures by phase, collected while a run goes on."""

    def __init__(self) -> None:
        self.accuracy: dict[str, float] = {}
        self.top5: dict[str, float] = {}
        self.rmse: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def add(self, phase: str, found: dict[str, float], seconds: float | None = None) -> None:
        """What `fermatnet.model.train.scores.scores` found of a phase's network on the test part."""
        self.accuracy[phase] = found["top1"]
        if "top5" in found:
            self.top5[phase] = found["top5"]
        if "rmse" in found:
            self.rmse[phase] = found["rmse"]
        if seconds is not None:
            self.seconds[phase] = round(seconds, 3)

    def summary(
        self, facts: dict[str, Any], entries: list[dict[str, Any]], corrupt: dict[str, str] | None
    ) -> dict[str, Any]:
        """The document: ``facts`` of the run first; ``waiting`` is the share of the training time that steps
        waited for their images."""
        last = next(reversed(self.accuracy))
        seconds = {**self.seconds, "total": round(sum(self.seconds.values()), 3)}
        document: dict[str, Any] = {**facts, "accuracy": self.accuracy}
        if self.top5:
            document["top5"] = self.top5
        if self.rmse:
            document["rmse"] = self.rmse
        document |= {"seconds": seconds, "final": last, "test_accuracy": self.accuracy[last]}
        trained = sum(entry["seconds"] for entry in entries)
        waited = sum(entry["seconds"] * entry.get("waiting", 0.0) for entry in entries)
        document["waiting"] = round(waited / trained, 4) if trained else 0.0
        document["peak_memory_mb"] = round(peak_memory_mb(), 1)
        if torch.cuda.is_available():
            document["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6, 1)
        if corrupt is not None:
            document["corrupt"] = {"count": len(corrupt), "files": sorted(corrupt)[:1000]}
        return document


def progress_bars(shown: bool) -> Progress:
    """A bar a phase, with its last loss and accuracy as the field ``note``."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        disable=not shown,
    )


def tell(bars: Progress, note: str) -> None:
    """A line above the bars, if there is something to say and they are shown."""
    if note and not bars.disable:
        bars.console.print(note, markup=False, highlight=False, soft_wrap=True)


def lost_files(data: Any, world: int, device: str) -> dict[str, str] | None:
    """Names of streamed files that were no image, and why: each process has met its own. None for data in
    memory."""
    corrupt = getattr(data, "corrupt", None)
    return None if corrupt is None else gathered(corrupt.names, world, device)


def tensorboard(folder: RunFolder) -> Any:
    """A writer of TensorBoard's log in the run folder; InputError where the package is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("the TensorBoard log needs tensorboard: pip install tensorboard") from error
    return SummaryWriter(str(folder.path / "tensorboard"))


def write(folder: RunFolder, summary: dict[str, Any]) -> None:
    """summary.json and curves.png."""
    folder.write_json("summary.json", summary)
    folder.draw_curves()
