"""A training run from start to summary.

``train`` is what ``fermatnet train`` calls: the full-precision twin first, then the quantized network from
its weights. Started by ``torchrun`` the same call runs data-parallel (gloo on CPU, nccl on GPU) and the first
process writes the same folder.
"""

from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import versions
from fermatnet.model.nn.low_memory import low_memory
from fermatnet.model.nn.overparameterised import over_parameterise
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.config import FORMAT, check_same, read_config
from fermatnet.model.train.dead import dead_note, revive
from fermatnet.model.train.earlier import check_earlier, take_over, twin_of
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase
from fermatnet.model.train.options import Options, options
from fermatnet.model.train.parts import Cut, check_images, taken_up
from fermatnet.model.train.phases import PlannedPhase, own_form, phases, settled
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
from fermatnet.model.train.results import Results, lost_files, progress_bars, tell, write
from fermatnet.model.train.scores import scores
from fermatnet.model.train.source import make_batches, open_source, pixel_statistics
from fermatnet.model.train.start import build_for, builder_arguments, carry_over
from fermatnet.model.train.targets import targets_of
from fermatnet.model.train.teacher import as_teacher
from fermatnet.model.zoo.catalogue import check_scheme

__all__ = ["train"]


class _Run:
    def __init__(
        self,
        net: str,
        data: str,
        out: str | Path,
        unsettled: Options,
        progress: bool,
        twin: str | Path | None = None,
        network: dict[str, Any] | None = None,
        recipe: str | None = None,
        start: str | Path | None = None,
    ):
        self.net, self.data_name, self.network, self.recipe = net, data, network or {}, recipe
        self.folder = RunFolder(out)
        self.rank, self.world = world_size()
        self.first = self.rank == 0
        self.progress = progress and self.first
        self.start = str(Path(start).resolve()) if start else None
        given_twin = twin or (twin_of(self.start) if self.start else None)
        self.twin = str(Path(given_twin).resolve()) if given_twin else None
        check_scheme(net, unsettled.scheme)
        self.own = own_form(net, unsettled)
        self.options, self.scheme = settled(unsettled, self.twin, net)
        if self.start:
            check_earlier(self.start, net, self.scheme, self.network)
        self.device = unsettled.device
        self.cut = Cut(self.rank, self.world, self.options.accumulate)
        self.begun: dict[str, Any] | None = None  # config of the run that this one goes on with
        self.note = ""

    def config(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "net": self.net,
            "network": self.network,
            "recipe": self.recipe,
            "data": self.data_name,
            "data_sha256": self.data.sha256,
            "scheme": self.scheme.describe(),
            "shape": list(self.data.shape),
            "value_range": list(self.data.value_range),
            "classes": list(self.data.classes),
            "targets": targets_of(self.data).plain(),
            "twin": self.twin,
            "start": self.start,
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
        self.data = open_source(self.data_name, self.options)
        self.metric = targets_of(self.data).metric
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        self.record = Record(self.folder, self.rank, self.world, self.device, self.options.tensorboard)
        config, names = self.config(), [name for name, *_ in self.phases()]
        state = self.record.open(config, resume, names, lambda: self._go_on(config))
        try:
            return self._train(state)
        except Exception:
            self.record.discard()
            raise

    def _check(self, resume: bool) -> None:
        builder_arguments(self.net)
        begins = not (resume and self.folder.path.exists())
        if self.first and begins:
            self.folder.check_new()
        self.device = local_device(self.options.device, self.world)
        need_device(self.device)
        if begins:
            check_images(self.cut, self.options.batch)

    def _go_on(self, config: dict[str, Any]) -> None:
        self.begun = read_config(self.folder)
        check_same(self.folder, self.begun, config)

    def _train(self, state: dict[str, Any] | None) -> dict[str, Any]:
        self.validation: Any
        train, self.validation = (
            self.data.train.split(self.options.validation, self.options.seed)
            if self.options.validation
            else (self.data.train, None)
        )
        if self.begun is not None:
            self.cut, self.note = taken_up(self.begun, self.cut, min(self.options.batch, len(train)))
        self.batches = make_batches(train, self.options, self.cut)
        self.statistics = pixel_statistics(self.data) if self.own else None
        if self.scheme.layers or self.options.low_memory or self.options.over_parameterised:
            # refuses a pattern without a layer, and what no layer could do, before anything is trained
            self._network(self.scheme, None, self.options.over_parameterised)
        results = Results()
        twin: nn.Module | None = None
        if self.twin:
            twin = self._taken(self.twin).to(self.device)
            results.add("float", self._scores(twin, self.data.test))
        with progress_bars(self.progress) as bar:
            tell(bar, self.note)
            for number, (name, scheme, epochs, rate) in enumerate(self.phases()):
                model = self._network(scheme, twin)
                if state and state["phase"] > number:
                    model.load_state_dict(self.folder.load(f"{name}.pt")["model"])
                else:
                    if name == "quantized" and not (state or self.options.revive):
                        tell(bar, dead_note(model))
                    model = self._phase(number, name, model, epochs, rate, twin, state, bar)
                    state = None
                seconds = sum(e["seconds"] for e in self.record.entries if e["phase"] == name)
                results.add(name, self._scores(model, self.data.test), seconds)
                twin = model if name == "float" else twin
        return self._close(results)

    def _taken(self, run: str) -> nn.Module:
        """The full-precision network of another run of this network."""
        found, config = load_run(run, "float")
        if config["net"] != self.net:
            raise InputError(f"{run} is a run of {config['net']}, not of {self.net}: take one of {self.net}")
        return found

    def _scores(self, model: nn.Module, part: Any) -> dict[str, float]:
        share(model, self.world)
        return scores(model, part, self.rank, self.world, targets_of(self.data))

    def _network(self, scheme: Scheme, twin: nn.Module | None, branches: bool = False) -> nn.Module:
        torch.manual_seed(self.options.seed)
        model = build_for(
            self.net,
            self.data,
            scheme,
            own=self.own,
            network=self.network,
            statistics=self.statistics,
        ).to(self.device)
        if twin is not None and self.start and not scheme.full_precision:
            take_over(model, self.start)
        elif twin is not None:
            carry_over(model, twin.state_dict())
        if self.options.revive and not scheme.full_precision:
            revive(model, self.options.seed)
        if self.options.low_memory and not scheme.full_precision:
            low_memory(model, gradient_bits=1 if self.options.sign_gradients else 32)
        return over_parameterise(model) if branches else model

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
        if self.options.over_parameterised and name == "quantized":
            over_parameterise(model)
        phase = Phase(
            name,
            model,
            self.batches,
            self.options,
            epochs=epochs,
            rate=rate,
            teacher=as_teacher(twin) if twin else None,
            wrap=parallel(self.world, self.device),
            device=self.device,
            targets=targets_of(self.data),
        )
        if state:
            phase.restore(state["state"])
        return self.record.train(number, phase, bar, measured=self._validated, metric=self.metric)

    def _validated(self, phase: Phase) -> dict[str, Any]:
        """Accuracy on the images that are set aside, where there are any."""
        if self.validation is None:
            return {}
        score = self._scores(phase.result(), self.validation)
        return {"validation": score["top1"]} | ({"top5": score["top5"]} if "top5" in score else {})

    def _close(self, results: Results) -> dict[str, Any]:
        facts = {
            "net": self.net,
            "data": self.data_name,
            "scheme": self.scheme.describe(),
            "seed": self.options.seed,
            "out": str(self.folder.path),
            "test_images": len(self.data.test),
            "metric": self.metric,
        }
        facts |= {"note": self.note} if self.note else {}
        lost = lost_files(self.data, self.world, self.device)
        summary = results.summary(facts, self.record.entries, lost)
        if self.first:
            write(self.folder, summary)
        return summary


def train(
    net: str,
    data: str,
    out: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    twin: str | Path | None = None,
    network: dict[str, Any] | None = None,
    recipe: str | None = None,
    start: str | Path | None = None,
    **given: Any,
) -> dict[str, Any]:
    """Train ``net`` on ``data`` into the run folder ``out``.

    Parameters
    ----------
    net : name in the zoo;  data : see :func:`fermatnet.model.train.source.open_source`
    resume : go on from the last checkpoint of the run in ``out``, or begin one where ``out`` is not there;
        on CPU, with as many processes as before, the weights come out as if it had never stopped; with others
        the losses are the same but for rounding, where `fermatnet.model.train.parts` can keep the parts
    twin : run folder whose full-precision network is the start and the teacher, instead of training one
    (``float_epochs`` is then 0)
    start : run folder of this network in these layers, whose quantized network is the start; the teacher is
        then its twin, where ``twin`` names no other
    network : options of the network's own builder, such as ``{"width": 8}``
    recipe : name or file of a recipe (:mod:`fermatnet.model.train.recipe`); what is given beside it wins
    given : :class:`fermatnet.model.train.options.Options`; None and missing ones take the recipe's values,
        then the defaults for this network and data

    Returns
    -------
    The summary that is also written: Top-1 and Top-5 of the twin and of the quantized network, seconds, ...
    """
    if recipe is not None:
        given = with_recipe(recipe, given)
    run = _Run(net, data, out, options(net, data, given), progress, twin, network, recipe, start)
    run.device = local_device(run.options.device, run.world)
    with process_group(run.world, run.options.device):
        return run.run(resume)
