"""A training run from start to summary.

``train`` is what ``fermatnet train`` calls: the full-precision twin first, then the quantized network from
its weights. Started by ``torchrun`` the same call runs data-parallel (gloo on CPU, nccl on GPU) and the first
process writes the same folder.
"""

from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import versions
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.config import FORMAT, check_same, read_config
from fermatnet.model.train.data import load
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase, accuracy, logits
from fermatnet.model.train.options import Options, options
from fermatnet.model.train.phases import PlannedPhase, phases, settled
from fermatnet.model.train.processes import need_device, parallel, process_group, world_size
from fermatnet.model.train.start import build_for, builder_arguments, carry_over

__all__ = ["train"]


class _Run:
    def __init__(
        self,
        net: str,
        data: str,
        out: str | Path,
        given: Options,
        progress: bool,
        twin: str | Path | None = None,
    ):
        self.net, self.data_name = net, data
        self.folder = RunFolder(out)
        self.rank, self.world = world_size()
        self.first = self.rank == 0
        self.progress = progress and self.first
        self.created = False
        self.entries: list[dict[str, Any]] = []
        self.twin = str(Path(twin).resolve()) if twin else None
        self.options, self.scheme = settled(given, self.twin)

    def config(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "net": self.net,
            "data": self.data_name,
            "data_sha256": self.data.sha256,
            "scheme": self.scheme.describe(),
            "shape": list(self.data.shape),
            "value_range": list(self.data.value_range),
            "classes": list(self.data.classes),
            "targets": self.data.targets.plain(),
            "twin": self.twin,
            "training_images": len(self.data.train),
            "test_images": len(self.data.test),
            "processes": self.world,
            "options": self.options.plain(),
            "versions": versions(),
        }

    def phases(self) -> list[PlannedPhase]:
        return phases(self.options, self.scheme, self.twin)

    def run(self, resume: bool) -> dict[str, Any]:
        self._check(resume)  # before the folder is made
        self.data = load(self.data_name)
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        state = self._open(resume)
        try:
            return self._train(state)
        except Exception:
            if self.first and self.created and not self.folder.has("checkpoint.pt"):
                self.folder.discard()  # so that the corrected call finds its folder free
            raise

    def _check(self, resume: bool) -> None:
        builder_arguments(self.net)
        if self.first and not (resume and self.folder.path.exists()):
            self.folder.check_new()
        need_device(self.options.device)

    def _train(self, state: dict[str, Any] | None) -> dict[str, Any]:
        train, validation = (
            self.data.train.split(self.options.validation, self.options.seed)
            if self.options.validation
            else (self.data.train, None)
        )
        self.batches = Batches(
            train,
            self.options.batch,
            self.options.seed,
            pad=self.options.pad,
            flip=self.options.flip,
            rank=self.rank,
            world=self.world,
        )
        self.validation = validation
        results: dict[str, Any] = {"accuracy": {}, "seconds": {}}
        twin: nn.Module | None = None
        if self.twin:
            twin, _ = load_run(self.twin, "float")
            results["accuracy"]["float"] = accuracy(twin, self.data.test, self.data.targets)
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            disable=not self.progress,
        )
        with bar:
            for number, (name, scheme, epochs, rate) in enumerate(self.phases()):
                model = self._network(scheme, twin)
                if state and state["phase"] > number:
                    model.load_state_dict(self.folder.load(f"{name}.pt")["model"])
                else:
                    model = self._phase(number, name, model, epochs, rate, twin, state, bar)
                    state = None
                results["accuracy"][name] = accuracy(model, self.data.test, self.data.targets)
                if self.data.real:
                    labels = torch.from_numpy(self.data.test.labels)
                    error = self.data.targets.error(logits(model, self.data.test), labels)
                    results.setdefault("rmse", {})[name] = error
                results["seconds"][name] = round(
                    sum(e["seconds"] for e in self.entries if e["phase"] == name), 3
                )
                twin = model if name == "float" else twin
        return self._close(results)

    def _open(self, resume: bool) -> dict[str, Any] | None:
        config = self.config()
        if not resume or not self.folder.path.exists():
            if self.first:
                self.folder.create()
                self.created = True
                self.folder.write_json("config.json", config)
            return None
        check_same(self.folder, read_config(self.folder), config)
        if not self.folder.has("checkpoint.pt"):
            return None
        state = self.folder.load("checkpoint.pt")
        order = [name for name, *_ in self.phases()]
        kept = [
            e
            for e in self.folder.metrics()
            if order.index(e["phase"]) < state["phase"]
            or (order.index(e["phase"]) == state["phase"] and e["epoch"] <= state["state"]["epoch"])
        ]
        self.entries = kept
        if self.first:
            self.folder.set_metrics(kept)
        return state

    def _network(self, scheme: Scheme, twin: nn.Module | None) -> nn.Module:
        torch.manual_seed(self.options.seed)
        model = build_for(self.net, self.data, scheme).to(self.options.device)
        if twin is not None:
            carry_over(model, twin.state_dict())
        return model

    def _phase(
        self,
        number: int,
        name: str,
        model: nn.Module,
        epochs: int,
        rate: float,
        twin: nn.Module | None,
        state: dict[str, Any] | None,
        bar: Progress,
    ) -> nn.Module:
        phase = Phase(
            name,
            model,
            self.batches,
            self.options,
            epochs=epochs,
            rate=rate,
            teacher=twin.eval() if twin else None,
            wrap=parallel(self.world),
            targets=self.data.targets,
        )
        if state:
            phase.restore(state["state"])
        writer = self._tensorboard()
        task = bar.add_task(f"{name:9s}", total=epochs, completed=phase.epoch, note="")
        while phase.epoch < epochs:
            entry: dict[str, Any] = {"phase": name, "epoch": phase.epoch + 1, **phase.run_epoch()}
            if self.first:
                if self.validation is not None:
                    entry["validation"] = accuracy(phase.result(), self.validation, self.data.targets)
                self.entries.append(entry)
                self.folder.set_metrics(self.entries)
                self.folder.save("checkpoint.pt", {"phase": number, "state": phase.state()})
                for key in ("loss", "accuracy", "validation", "lr") if writer else ():
                    if key in entry:
                        writer.add_scalar(f"{name}/{key}", entry[key], entry["epoch"])  # type: ignore[union-attr]
            bar.update(
                task,
                completed=phase.epoch,
                note=f"loss {entry['loss']:.4f}  {self.data.targets.metric} {entry['accuracy']:.4f}",
            )
        if writer:
            writer.close()
        result = phase.result().requires_grad_(True)
        if self.first:
            self.folder.save(f"{name}.pt", {"model": result.state_dict()})
        return result

    def _tensorboard(self) -> Any:
        if not (self.options.tensorboard and self.first):
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError("the TensorBoard log needs tensorboard: pip install tensorboard") from error
        return SummaryWriter(str(self.folder.path / "tensorboard"))

    def _close(self, results: dict[str, Any]) -> dict[str, Any]:
        last = next(reversed(results["accuracy"]))
        summary = {
            "net": self.net,
            "data": self.data_name,
            "scheme": self.scheme.describe(),
            "seed": self.options.seed,
            "out": str(self.folder.path),
            "test_images": len(self.data.test),
            "metric": self.data.targets.metric,
            **results,
            "final": last,
            "test_accuracy": results["accuracy"][last],
        }
        summary["seconds"]["total"] = round(sum(summary["seconds"].values()), 3)
        if self.first:
            self.folder.write_json("summary.json", summary)
            self.folder.draw_curves()
        return summary


def train(
    net: str,
    data: str,
    out: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    twin: str | Path | None = None,
    **given: Any,
) -> dict[str, Any]:
    """Train ``net`` on ``data`` into the run folder ``out``.

    Parameters
    ----------
    net : name in the zoo;  data : see :func:`fermatnet.model.train.data.load`
    resume : go on after the last finished epoch of the run in ``out``, or begin one where ``out`` is not
    there;
        on CPU the weights come out as if it had never stopped
    twin : run folder whose full-precision network is the start and the teacher, instead of training one
    (``float_epochs`` is then 0)
    given : :class:`fermatnet.model.train.options.Options`; None and missing ones take the defaults for this
    network and data

    Returns
    -------
    The summary that is also written: test accuracy of the twin and of the quantized network, seconds, ...
    """
    run = _Run(net, data, out, options(net, data, given), progress, twin)
    with process_group(run.world, run.options.device):
        return run.run(resume)
