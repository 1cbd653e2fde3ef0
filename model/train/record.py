"""What is kept of a run while its phases train: checkpoint, metrics, weights, TensorBoard's curves. In a run
of several processes the first one writes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.progress import Progress
from torch import nn

from fermatnet.model.nn.overparameterised import minimal
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.processes import agree, share
from fermatnet.model.train.results import tensorboard

__all__ = ["Record"]


class Record:
    """The run in ``folder`` on its way: ``entries`` of the metrics, one an epoch of a phase.

    Parameters
    ----------
    folder : of the run
    rank, world : number of this process, and how many there are
    device : on which the processes agree
    curves : write TensorBoard's as well
    """

    def __init__(self, folder: RunFolder, rank: int, world: int, device: str, curves: bool):
        self.folder, self.first, self.world, self.device = folder, rank == 0, world, device
        self.curves = curves and self.first
        self.entries: list[dict[str, Any]] = []
        self.created = False

    def open(
        self, config: dict[str, Any], resume: bool, names: Sequence[str], check: Callable[[], None]
    ) -> dict[str, Any] | None:
        """Make the folder of a new run, or give back the checkpoint of an old one, None before its first.

        ``names``: of the phases, in their order; ``check`` raises where the old run is of another
        configuration. What was written after the checkpoint is dropped from the metrics.
        """
        # the first process decides: another may see the folder that it is just making
        if agree(not resume or not self.folder.path.exists(), self.world, self.device):
            if self.first:
                self.folder.create()
                self.created = True
                self.folder.write_json("config.json", config)
            return None
        check()
        if not self.folder.has("checkpoint.pt"):
            return None
        state = self.folder.load("checkpoint.pt")
        here = (state["phase"], state["state"]["epoch"])
        self.entries = [
            entry for entry in self.folder.metrics() if (names.index(entry["phase"]), entry["epoch"]) <= here
        ]
        if self.first:
            self.folder.set_metrics(self.entries)
        return state

    def discard(self) -> None:
        """Take a folder away that this call made and that holds no checkpoint yet, so that the corrected call
        finds its place free."""
        if self.first and self.created and not self.folder.has("checkpoint.pt"):
            self.folder.discard()

    def keep(self, number: int, phase: Phase) -> None:
        """The checkpoint as the run now is; every process knows of the first one's buffers from here on."""
        share(phase.model, self.world)
        state = phase.state()
        if self.first:
            self.folder.save("checkpoint.pt", {"phase": number, "state": state})

    def train(
        self,
        number: int,
        phase: Phase,
        bar: Progress,
        *,
        measured: Callable[[Phase], dict[str, Any]],
        metric: str = "",
        pictures: Callable[[Phase], Mapping[str, np.ndarray]] | None = None,
    ) -> nn.Module:
        """All epochs of phase ``number`` that are still to come, each kept; the trained network.

        ``measured``: what is said of an epoch beside the loop's own figures; ``metric``: name of the
        training accuracy in the progress bar, where it is shown; ``pictures``: of an epoch for TensorBoard,
        uint8 (H, W, 3) by their names, asked for where its log is written.
        """
        writer: Any = tensorboard(self.folder) if self.curves else None
        task = bar.add_task(f"{phase.name:9s}", total=phase.epochs, completed=phase.epoch, note="")
        while phase.epoch < phase.epochs:
            entry: dict[str, Any] = {"phase": phase.name, "epoch": phase.epoch + 1}
            entry |= phase.run_epoch(save=lambda: self.keep(number, phase))
            entry |= measured(phase)
            self.entries.append(entry)
            if self.first:
                self.folder.set_metrics(self.entries)
            self.keep(number, phase)
            for key in ("loss", "accuracy", "validation", "top5", "lr") if writer else ():
                if key in entry:
                    writer.add_scalar(f"{phase.name}/{key}", entry[key], entry["epoch"])
            for key, pixels in (pictures(phase) if writer and pictures else {}).items():
                writer.add_image(f"{phase.name}/{key}", pixels, entry["epoch"], dataformats="HWC")
            accuracy = f"  {metric} {entry['accuracy']:.4f}" if metric else ""
            bar.update(task, completed=phase.epoch, note=f"loss {entry['loss']:.4f}{accuracy}")
        if writer:
            writer.close()
        trained = minimal(phase.result()).requires_grad_(True)
        share(trained, self.world)
        if self.first:
            self.folder.save(f"{phase.name}.pt", {"model": trained.state_dict()})
        return trained
