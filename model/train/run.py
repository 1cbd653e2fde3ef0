"""A training run from start to summary, and what is done with a finished one.

``train`` is what ``fermatnet train`` calls: the full-precision twin first, then the quantized network from
its weights. Started by ``torchrun`` the same call runs data-parallel (gloo on CPU, nccl on GPU) and the first
process writes the same folder.
"""

import inspect
import os
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from fermatnet.model import zoo
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export, versions
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.model.network import Network
from fermatnet.model.nn.scheme import Scheme, scheme
from fermatnet.model.train.batches import Batches
from fermatnet.model.train.data import Data, load
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.loop import Phase, accuracy
from fermatnet.model.train.options import SHAPES, Options, options

__all__ = ["build_for", "carry_over", "export_run", "load_run", "train"]

FORMAT = 1
_CONFIG = {
    "format": int,
    "net": str,
    "data": str,
    "data_sha256": str,
    "scheme": str,
    "shape": [SIZE, SIZE, SIZE],
    "value_range": [int, int],
    "classes": [str],
    "test_images": int,
    "options": dict,
}


def _config(folder: RunFolder) -> dict[str, Any]:
    config = folder.read_json("config.json", _CONFIG)
    validate(
        config["options"],
        {key: SHAPES[key] for key in config["options"] if key in SHAPES},
        folder.path / "config.json",
        "options.",
    )
    return config


def _parameters(net: str) -> Mapping[str, inspect.Parameter]:
    """What a network's builder takes; InputError when there is no such network or it takes no scheme."""
    entry, _ = zoo.entry(net)
    takes = inspect.signature(entry.builder).parameters
    if "how" not in takes:
        raise InputError(f"{net} is not trained by this front end: its builder takes no quantization scheme")
    return takes


def build_for(net: str, data: Data, how: Scheme) -> nn.Module:
    """The network for the data's shape, classes and pixel width, as far as its builder takes them."""
    takes = _parameters(net)
    given = {"how": how, "classes": len(data.classes), "shape": data.shape, "bits": data.bits}
    return zoo.build(net, **{key: value for key, value in given.items() if key in takes})


def carry_over(model: nn.Module, weights: dict[str, Any]) -> None:
    """Start from another scheme's weights: everything but the quantizers' own parameters must be there."""
    own = model.state_dict()
    given = {key: value for key, value in weights.items() if key in own}
    generator = torch.Generator().manual_seed(0)
    # a method of several branches: each starts near the twin's only one
    for key in own.keys() - given.keys():
        source = weights.get(re.sub(r"\bbranches\.\d+\.", "branches.0.", key))
        if source is not None and source.dim() > 1:
            given[key] = source + 0.3 * source.std() * torch.randn(source.shape, generator=generator)
        elif source is not None:
            given[key] = source
    missing, unexpected = model.load_state_dict(given, strict=False)
    lacking = [
        key
        for key in missing
        if key.rpartition(".")[2] in ("weight", "bias", "running_mean", "running_var")
        and "quantizer" not in key
    ]
    if lacking or unexpected:
        raise InputError(f"the full-precision twin has no {(lacking or unexpected)[0]}")


def _need_device(name: str) -> None:
    try:
        torch.empty(1, device=name)
    except (AssertionError, RuntimeError) as error:  # which of them depends on the kind of device
        reason = str(error).splitlines()[0].strip().rstrip(".")
        raise InputError(f"device {name!r} cannot be used here: {reason}") from error


def _world() -> tuple[int, int]:
    """(rank, processes), as torchrun says."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


class _Run:
    def __init__(
        self,
        net: str,
        data: str,
        out: str | Path,
        how: Options,
        progress: bool,
        twin: str | Path | None = None,
    ):
        self.net, self.data_name, self.how = net, data, how
        self.folder = RunFolder(out)
        self.rank, self.world = _world()
        self.first = self.rank == 0
        self.progress = progress and self.first
        self.created = False
        self.entries: list[dict[str, Any]] = []
        self.scheme = scheme(
            how.scheme, weights=how.weights, activations=how.activations, edge_bits=how.edge_bits
        )
        self.twin = str(Path(twin).resolve()) if twin else None
        if self.twin:
            self.how = how = replace(how, float_epochs=0)
        elif self.scheme.full_precision and not how.float_epochs:
            self.how = how = replace(how, float_epochs=how.epochs)

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
            "twin": self.twin,
            "training_images": len(self.data.train),
            "test_images": len(self.data.test),
            "processes": self.world,
            "options": self.how.plain(),
            "versions": versions(),
        }

    def phases(self) -> list[tuple[str, Scheme, int, float]]:
        found = (
            [("float", scheme("float"), self.how.float_epochs, self.how.float_lr)]
            if self.how.float_epochs
            else []
        )
        if self.how.epochs and (self.twin or not self.scheme.full_precision):
            found.append(("quantized", self.scheme, self.how.epochs, self.how.lr))
        return found

    def run(self, resume: bool) -> dict[str, Any]:
        self._check(resume)  # before the folder is made
        self.data = load(self.data_name)
        if self.how.threads:
            torch.set_num_threads(self.how.threads)
        state = self._open(resume)
        try:
            return self._train(state)
        except Exception:
            if self.first and self.created and not self.folder.has("checkpoint.pt"):
                self.folder.discard()  # so that the corrected call finds its folder free
            raise

    def _check(self, resume: bool) -> None:
        _parameters(self.net)
        if self.first and not (resume and self.folder.path.exists()):
            self.folder.check_new()
        _need_device(self.how.device)

    def _train(self, state: dict[str, Any] | None) -> dict[str, Any]:
        train, validation = (
            self.data.train.split(self.how.validation, self.how.seed)
            if self.how.validation
            else (self.data.train, None)
        )
        self.batches = Batches(
            train,
            self.how.batch,
            self.how.seed,
            pad=self.how.pad,
            flip=self.how.flip,
            rank=self.rank,
            world=self.world,
        )
        self.validation = validation
        results: dict[str, Any] = {"accuracy": {}, "seconds": {}}
        twin: nn.Module | None = None
        if self.twin:
            twin, _ = load_run(self.twin, "float")
            results["accuracy"]["float"] = accuracy(twin, self.data.test)
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            disable=not self.progress,
        )
        with bar:
            for number, (name, how, epochs, rate) in enumerate(self.phases()):
                model = self._network(how, twin)
                if state and state["phase"] > number:
                    model.load_state_dict(self.folder.load(f"{name}.pt")["model"])
                else:
                    model = self._phase(number, name, model, epochs, rate, twin, state, bar)
                    state = None
                results["accuracy"][name] = accuracy(model, self.data.test)
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
        old = _config(self.folder)
        for key in ("format", "net", "data_sha256", "twin", "options"):
            if old.get(key) != config[key]:
                mine, theirs = config[key], old.get(key)
                if key == "options":
                    usual = Options().plain()  # an option newer than the run had its usual value
                    differ = [name for name in mine if mine[name] != (theirs or {}).get(name, usual[name])]
                    if not differ:
                        continue
                    raise InputError(
                        f"{self.folder.path} was trained with other options ({', '.join(differ)}): resume "
                        "with the same ones"
                    )
                raise InputError(f"{self.folder.path} is a run of another {key}: {theirs}, not {mine}")
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

    def _network(self, how: Scheme, twin: nn.Module | None) -> nn.Module:
        torch.manual_seed(self.how.seed)
        model = build_for(self.net, self.data, how).to(self.how.device)
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
            self.how,
            epochs=epochs,
            rate=rate,
            teacher=twin.eval() if twin else None,
            wrap=self._wrap(),
        )
        if state:
            phase.restore(state["state"])
        writer = self._tensorboard()
        task = bar.add_task(f"{name:9s}", total=epochs, completed=phase.epoch, note="")
        while phase.epoch < epochs:
            entry: dict[str, Any] = {"phase": name, "epoch": phase.epoch + 1, **phase.run_epoch()}
            if self.first:
                if self.validation is not None:
                    entry["validation"] = accuracy(phase.result(), self.validation)
                self.entries.append(entry)
                self.folder.set_metrics(self.entries)
                self.folder.save("checkpoint.pt", {"phase": number, "state": phase.state()})
                for key in ("loss", "accuracy", "validation", "lr") if writer else ():
                    if key in entry:
                        writer.add_scalar(f"{name}/{key}", entry[key], entry["epoch"])  # type: ignore[union-attr]
            bar.update(
                task,
                completed=phase.epoch,
                note=f"loss {entry['loss']:.4f}  accuracy {entry['accuracy']:.4f}",
            )
        if writer:
            writer.close()
        result = phase.result().requires_grad_(True)
        if self.first:
            self.folder.save(f"{name}.pt", {"model": result.state_dict()})
        return result

    def _wrap(self) -> Callable[[nn.Module], nn.Module] | None:
        return (lambda model: nn.parallel.DistributedDataParallel(model)) if self.world > 1 else None

    def _tensorboard(self) -> Any:
        if not (self.how.tensorboard and self.first):
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
            "seed": self.how.seed,
            "out": str(self.folder.path),
            "test_images": len(self.data.test),
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
    with _processes(run.world, run.how.device):
        return run.run(resume)


def _processes(world: int, device: str) -> Any:
    if world == 1:
        return nullcontext()

    class Group:
        def __enter__(self) -> None:
            torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

        def __exit__(self, *_: Any) -> None:
            torch.distributed.destroy_process_group()

    return Group()


def load_run(path: str | Path, phase: str | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """(network in evaluation mode, config) of a finished run; ``phase`` "float" gives its full-precision
    twin."""
    folder = RunFolder(path)
    config = _config(folder)
    run = _Run(
        config["net"],
        config["data"],
        path,
        options(config["net"], config["data"], config["options"]),
        False,
        config.get("twin"),
    )
    names = [name for name, *_ in run.phases()]
    wanted = phase or names[-1]
    if wanted not in names:
        raise InputError(f"{path} has no phase {wanted!r}; it has {', '.join(names)}")
    how = scheme("float") if wanted == "float" else run.scheme
    run.data = _Shape(config)  # type: ignore[assignment]
    model = build_for(config["net"], run.data, how)
    try:
        model.load_state_dict(folder.load(f"{wanted}.pt")["model"])
    except (RuntimeError, KeyError) as error:
        raise InputError(
            f"{path}/{wanted}.pt is of another network: {str(error).splitlines()[-1].strip()}"
        ) from error
    return model.eval(), config


class _Shape:
    """What a network needs to know of its data, from a run's config: the data itself need not be there."""

    def __init__(self, config: dict[str, Any]):
        self.shape, self.classes, self.value_range = (
            tuple(config["shape"]),
            config["classes"],
            tuple(config["value_range"]),
        )
        self.bits = int(self.value_range[1]).bit_length()


def export_run(path: str | Path, *, engine: str | None = None) -> Network:
    """The network file of a finished run, with its provenance."""
    model, config = load_run(path)
    summary = RunFolder(path).read_json(
        "summary.json", {"final": str, "test_accuracy": float, "accuracy": dict}
    )
    if summary["final"] == "float":
        raise InputError(f"{path} is a full-precision run: only a quantized network can be exported")
    meta = {
        "run": Path(path).name,
        "data": config["data"].partition(":")[0],
        "data_sha256": config["data_sha256"],
        "scheme": config["scheme"],
        "seed": config["options"]["seed"],
        "epochs": config["options"]["epochs"],
        "classes": config["classes"],
        "test_images": config["test_images"],
        "test_accuracy": repr(summary["test_accuracy"]),
        "float_accuracy": repr(summary["accuracy"].get("float", "")),
    }
    return export(
        model,
        tuple(config["shape"]),
        tuple(config["value_range"]),
        name=config["net"],  # type: ignore[arg-type]
        engine=engine or config["options"]["engine"],
        meta=meta,
    )
