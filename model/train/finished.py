"""What is done with a finished run: its network is loaded, or exported."""

from pathlib import Path
from typing import Any

from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import export
from fermatnet.model.network import Network
from fermatnet.model.nn.scheme import scheme
from fermatnet.model.train.config import read_config
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.options import options
from fermatnet.model.train.phases import OwnScheme, own_form, phases, settled
from fermatnet.model.train.start import build_for
from fermatnet.model.train.targets import Targets

__all__ = ["export_run", "load_run"]


def load_run(path: str | Path, phase: str | None = None) -> tuple[nn.Module, dict[str, Any]]:
    """(network in evaluation mode, config) of a finished run; ``phase`` "float" gives its full-precision
    twin."""
    folder = RunFolder(path)
    config = read_config(folder)
    run_options = options(config["net"], config["data"], config["options"])
    run_options, quantized = settled(run_options, config.get("twin"), config["net"])
    names = [name for name, *_ in phases(run_options, quantized, config.get("twin"))]
    wanted = phase or names[-1]
    if wanted not in names:
        raise InputError(f"{path} has no phase {wanted!r}; it has {', '.join(names)}")
    wanted_scheme = scheme("float") if wanted == "float" else quantized
    model = build_for(
        config["net"],
        _Shape(config),  # type: ignore[arg-type]
        wanted_scheme,
        own=own_form(config["net"], run_options),
        network=config.get("network"),
    )
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
        low, high = map(int, self.value_range)
        self.signed = low < 0
        self.bits = max((-low - 1).bit_length(), high.bit_length()) + 1 if self.signed else high.bit_length()
        kept = config.get("targets") or {"classes": len(self.classes), "shape": [], "mean": [], "std": []}
        parts = {key: tuple(kept[key]) for key in ("shape", "mean", "std")}
        self.targets = Targets(int(kept["classes"]), **parts)


def export_run(path: str | Path, *, engine: str | None = None) -> Network:
    """The network file of a finished run, with its provenance."""
    model, config = load_run(path)
    summary = RunFolder(path).read_json(
        "summary.json", {"final": str, "test_accuracy": float, "accuracy": dict}
    )
    if summary["final"] == "float":
        raise InputError(f"{path} is a full-precision run: only a quantized network can be exported")
    if config["scheme"] == OwnScheme("thesis", 1, 1).describe():
        raise InputError(
            f"{path} is a run of the thesis's own form, whose norms and shortcuts are real-valued: train "
            "with --scheme sign, where the network takes schemes, to export it"
        )
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
        **({"targets": config["targets"]} if config.get("targets", {}).get("metric") == "r2" else {}),
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
