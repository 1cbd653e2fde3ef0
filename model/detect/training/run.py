"""A training run of a detector from start to summary: its full-precision form first, then the quantized twin
from its weights, in the loop of `fermatnet.model.train.loop`. Under ``torchrun`` it runs data-parallel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from fermatnet.model.detect.data.batches import BoxBatches
from fermatnet.model.detect.data.source import KINDS, open_boxes
from fermatnet.model.detect.networks.detector import Joined
from fermatnet.model.detect.scoring.measure import found_in, scores
from fermatnet.model.detect.training.build import plain_detector, quantized, standardised
from fermatnet.model.detect.training.config import check_same, config_of, read_config, totals
from fermatnet.model.detect.training.goals import Boxes
from fermatnet.model.detect.training.pictures import detected
from fermatnet.model.detect.training.settings import RECIPES, SETTING_SHAPES, Settings, settings
from fermatnet.model.errors import InputError
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.options import SHAPES, Options, options
from fermatnet.model.train.parts import Cut, taken_up
from fermatnet.model.train.phases import PlannedPhase, phases, settled
from fermatnet.model.train.processes import (
    local_device,
    need_device,
    parallel,
    process_group,
    share,
    world_size,
)
from fermatnet.model.train.recipe import with_recipe
from fermatnet.model.train.record import Record
from fermatnet.model.train.results import progress_bars, tell
from fermatnet.model.train.teacher import as_teacher
from fermatnet.model.zoo.catalogue import check_detector

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
        self.progress = progress and self.first
        self.twin = str(Path(twin).resolve()) if twin else None
        check_detector(net)
        self.options, self.scheme = settled(given, self.twin, net)
        self.device = local_device(given.device, self.world)
        self.record = Record(self.folder, self.rank, self.world, self.device, self.options.tensorboard)
        self.scores: dict[str, dict[str, Any]] = {}
        self.cut, self.note = Cut(self.rank, self.world, self.options.accumulate), ""

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
        config, names = config_of(self), [name for name, *_ in self._phases()]
        state = self.record.open(config, resume, names, lambda: self._go_on(config))
        try:
            return self._train(state)
        except Exception:
            self.record.discard()
            raise

    def _go_on(self, config: dict[str, Any]) -> None:
        begun = read_config(self.folder)
        check_same(self.folder, begun, config)
        size = min(self.options.batch, len(self.training))
        self.cut, self.note = taken_up(begun, self.cut, size)

    def _phases(self) -> list[PlannedPhase]:
        return phases(self.options, self.scheme, self.twin)

    def _read(self) -> None:
        source = open_boxes(self.data_name, self.settings.names(), self.settings.boxes)
        usual = KINDS[source.kind]
        self.training = source.part(self.settings.train or usual[0])
        self.test = source.part(self.settings.test or usual[1])
        self.checked = source.part(self.settings.check) if self.settings.check else None

    def _train(self, state: dict[str, Any] | None) -> dict[str, Any]:
        self.batches = BoxBatches(
            self.training,
            self.image,
            self.options.batch,
            self.options.seed,
            self.settings.augmentation(),
            cut=self.cut,
            workers=self.options.workers or 0,
        )
        teacher: Joined | None = None
        if self.twin:
            teacher = self._load_twin()
        with progress_bars(self.progress) as bar:
            tell(bar, self.note)
            for number, (name, _, epochs, rate) in enumerate(self._phases()):
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
            self.batches,
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
        return self.record.train(  # type: ignore[return-value]
            number, phase, bar, measured=self._validated, pictures=self._pictures
        )

    def _validated(self, phase: Phase) -> dict[str, Any]:
        """Average precision on the split that is looked at on the way, every so many epochs."""
        if self.checked is None or phase.epoch % self.settings.every:
            return {}
        return {"validation": self._measure(phase.result(), self.checked)["map"]}

    def _pictures(self, phase: Phase) -> dict[str, np.ndarray]:
        """What the network finds in the first images of the split that is looked at, every so many epochs
        and after the last."""
        if phase.epoch % self.settings.every and phase.epoch < phase.epochs:
            return {}
        part = self.checked or self.test
        drawing = detected(phase.result(), part, self.image, self.detector.priors)
        return {"detections": np.asarray(drawing)}

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
