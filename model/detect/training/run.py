"""A training run of a detector from start to summary: its full-precision form first, then the quantized twin
from its weights, in the loop of `fermatnet.model.train.loop`. Under ``torchrun`` it runs data-parallel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from fermatnet.model.detect.data.batches import BoxBatches
from fermatnet.model.detect.data.source import KINDS, open_boxes
from fermatnet.model.detect.networks.detector import Joined
from fermatnet.model.detect.scoring.measure import found_in, scores
from fermatnet.model.detect.training.build import plain_detector, quantized, standardised
from fermatnet.model.detect.training.config import check_same, config_of, read_config, totals
from fermatnet.model.detect.training.goals import Boxes
from fermatnet.model.detect.training.settings import RECIPES, SETTING_SHAPES, Settings, settings
from fermatnet.model.errors import InputError
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.options import SHAPES, Options, options
from fermatnet.model.train.phases import phases, settled
from fermatnet.model.train.processes import (
    agree,
    local_device,
    need_device,
    parallel,
    process_group,
    share,
    world_size,
)
from fermatnet.model.train.recipe import with_recipe
from fermatnet.model.train.results import progress_bars, tensorboard
from fermatnet.model.train.teacher import as_teacher
from fermatnet.model.zoo.catalogue import check

__all__ = ["train"]

_USUAL = {"scheme": "float", "batch": 16, "optimizer": "adamw", "schedule": "cosine"}


class _Run:
    def __init__(
        self,
        net: str,
        data: str,
        out: str | Path,
        mine: Settings,
        given: Options,
        twin: str | Path | None,
        network: Mapping[str, Any] | None,
        progress: bool,
    ):
        self.net, self.data_name, self.network, self.settings = net, data, dict(network or {}), mine
        self.folder = RunFolder(out)
        self.rank, self.world = world_size()
        self.first = self.rank == 0
        self.progress, self.created = progress and self.first, False
        self.twin = str(Path(twin).resolve()) if twin else None
        check(net)
        self.options, self.scheme = settled(given, self.twin, net)
        self.device = local_device(given.device, self.world)
        self.entries: list[dict[str, Any]] = []
        self.scores: dict[str, dict[str, Any]] = {}

    @property
    def image(self) -> tuple[int, int]:
        return self.settings.height, self.settings.width

    def run(self, resume: bool) -> dict[str, Any]:
        if self.first and not (resume and self.folder.path.exists()):
            self.folder.check_new()
        need_device(self.device)
        self._read()
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        torch.manual_seed(self.options.seed)
        self.detector = plain_detector(self.net, (3, *self.image), len(self.training.classes), self.network)
        if not self.scheme.full_precision:
            quantized(self.detector, self.scheme)  # what has no quantized twin is refused before training
        state = self._open(resume)
        try:
            return self._train(state)
        except Exception:
            if self.first and self.created and not self.folder.has("checkpoint.pt"):
                self.folder.discard()
            raise

    def _read(self) -> None:
        source = open_boxes(self.data_name, self.settings.names(), self.settings.boxes)
        usual = KINDS[source.kind]
        self.training = source.part(self.settings.train or usual[0])
        self.test = source.part(self.settings.test or usual[1])
        self.checked = source.part(self.settings.check) if self.settings.check else None
        self.batches = BoxBatches(
            self.training,
            self.image,
            self.options.batch,
            self.options.seed,
            self.settings.augmentation(),
            rank=self.rank,
            world=self.world,
            workers=self.options.workers or 0,
        )

    def _open(self, resume: bool) -> dict[str, Any] | None:
        config = config_of(self)
        if agree(not resume or not self.folder.path.exists(), self.world, self.device):
            if self.first:
                self.folder.create()
                self.created = True
                self.folder.write_json("config.json", config)
            return None
        check_same(self.folder, read_config(self.folder), config)
        if not self.folder.has("checkpoint.pt"):
            return None
        state = self.folder.load("checkpoint.pt")
        order = [name for name, *_ in phases(self.options, self.scheme, self.twin)]
        here = (state["phase"], state["state"]["epoch"])
        self.entries = [e for e in self.folder.metrics() if (order.index(e["phase"]), e["epoch"]) <= here]
        return state

    def _train(self, state: dict[str, Any] | None) -> dict[str, Any]:
        teacher: Joined | None = None
        if self.twin:
            teacher = self._load_twin()
        with progress_bars(self.progress) as bar:
            for number, (name, _, epochs, rate) in enumerate(phases(self.options, self.scheme, self.twin)):
                model = self._network(name).to(self.device)
                if state and state["phase"] > number:
                    model.load_state_dict(self.folder.load(f"{name}.pt")["model"])
                else:
                    model = self._phase(number, name, model, epochs, rate, teacher, state, bar)
                    state = None
                self.scores[name] = self._measure(model, self.test)
                if name == "float":
                    teacher = model
                    self.detector = model.network.network.cpu()  # type: ignore[union-attr, assignment]
        return self._close()

    def _load_twin(self) -> Joined:
        """The full-precision network of another run, whose weights this run's detector takes."""
        folder = RunFolder(str(self.twin))
        theirs = read_config(folder)
        if theirs["net"] != self.net or theirs["classes"] != list(self.training.classes):
            raise InputError(f"{self.twin} is a run of {theirs['net']} on {', '.join(theirs['classes'])}")
        model = standardised(self.detector)
        try:
            model.load_state_dict(folder.load("float.pt")["model"])
        except RuntimeError as error:
            raise InputError(f"{self.twin}: {str(error).splitlines()[-1].strip()}") from error
        self.scores["float"] = self._measure(model.to(self.device), self.test)
        return model

    def _network(self, name: str) -> Joined:
        if name == "float":
            return standardised(self.detector)
        return quantized(self.detector, self.scheme)

    def _measure(self, model: torch.nn.Module, part: Any) -> dict[str, Any]:
        share(model, self.world)
        return scores(found_in(model, part, self.image, self.detector.priors), part)

    def _phase(
        self,
        number: int,
        name: str,
        model: Joined,
        epochs: int,
        rate: float,
        teacher: Joined | None,
        state: dict[str, Any] | None,
        bar: Progress,
    ) -> Joined:
        goal = Boxes(
            len(self.training.classes),
            priors=self.detector.priors,
            threshold=self.settings.threshold,
            negatives=self.settings.negatives,
        )
        phase = Phase(
            name,
            model,
            self.batches,  # type: ignore[arg-type]
            self.options,
            epochs=epochs,
            rate=rate,
            teacher=as_teacher(teacher) if teacher and name != "float" else None,
            wrap=parallel(self.world, self.device),
            device=self.device,
            targets=goal,
        )
        if state:
            phase.restore(state["state"])
        writer: Any = tensorboard(self.folder) if self.options.tensorboard and self.first else None
        task = bar.add_task(f"{name:9s}", total=epochs, completed=phase.epoch, note="")
        while phase.epoch < epochs:
            self._epoch(number, name, phase, writer)
            bar.update(task, completed=phase.epoch, note=f"loss {self.entries[-1]['loss']:.4f}")
        if writer:
            writer.close()
        result = phase.result().requires_grad_(True)
        share(result, self.world)
        if self.first:
            self.folder.save(f"{name}.pt", {"model": result.state_dict()})
        return result  # type: ignore[return-value]

    def _epoch(self, number: int, name: str, phase: Phase, writer: Any) -> None:
        entry: dict[str, Any] = {"phase": name, "epoch": phase.epoch + 1}
        entry |= phase.run_epoch(save=lambda: self._keep(number, phase))
        if self.checked is not None and entry["epoch"] % self.settings.every == 0:
            entry["validation"] = self._measure(phase.result(), self.checked)["map"]
        self.entries.append(entry)
        if self.first:
            self.folder.set_metrics(self.entries)
        self._keep(number, phase)
        for key in ("loss", "accuracy", "validation", "lr") if writer else ():
            if key in entry:
                writer.add_scalar(f"{name}/{key}", entry[key], entry["epoch"])

    def _keep(self, number: int, phase: Phase) -> None:
        share(phase.model, self.world)
        if self.first:
            self.folder.save("checkpoint.pt", {"phase": number, "state": phase.state()})

    def _close(self) -> dict[str, Any]:
        summary = totals(self)
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
    network: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    **given: Any,
) -> dict[str, Any]:
    """Train the detector ``net`` on the boxes of ``data`` (``voc:DIR[,DIR]``, ``coco:DIR``) into ``out``.

    Parameters
    ----------
    resume : go on from the last checkpoint; the weights come out as if it had never stopped (CPU)
    twin : run whose full-precision network is the start and the teacher, instead of training one
    network : options of the detector's own builder, such as ``{"width": 8}``
    recipe : name or file of a recipe of this package; what is given beside it wins
    given : `fermatnet.model.detect.training.settings.Settings` and
        `fermatnet.model.train.options.Options`; None and missing ones take the recipe's, then the defaults

    Returns
    -------
    The summary that is also written: mean average precision of each form on the test split, seconds, ...
    """
    if recipe is not None:
        given = with_recipe(recipe, given, RECIPES, SHAPES | SETTING_SHAPES)
    mine, rest = settings(given)
    chosen = options(net, data, _USUAL | rest)
    run = _Run(net, data, out, mine, chosen, twin, network, progress)
    with process_group(run.world, run.options.device):
        return run.run(resume)
