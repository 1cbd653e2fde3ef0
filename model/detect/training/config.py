"""The config and the summary of a detection run."""

from typing import Any

import numpy as np

from fermatnet.model.detect.training.settings import FREE, SETTING_SHAPES, Settings
from fermatnet.model.errors import InputError
from fermatnet.model.exchange.export import versions
from fermatnet.model.json_shape import validate
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.options import FREE as FREE_OPTIONS
from fermatnet.model.train.options import SHAPES, Options
from fermatnet.model.train.parts import same_parts
from fermatnet.model.train.results import peak_memory_mb

__all__ = ["FORMAT", "check_same", "config_of", "read_config", "totals"]

FORMAT = 1
_KIND = "detection"
_CONFIG = {
    "format": int,
    "kind": str,
    "net": str,
    "network": dict,
    "data": str,
    "classes": [str],
    "scheme": str,
    "settings": dict,
    "options": dict,
}


def config_of(run: Any) -> dict[str, Any]:
    """Of a run that has read its data."""
    return {
        "format": FORMAT,
        "kind": _KIND,
        "net": run.net,
        "network": run.network,
        "data": run.data_name,
        "classes": list(run.training.classes),
        "scheme": run.scheme.describe(),
        "twin": run.twin,
        "training_images": len(run.training),
        "test_images": len(run.test),
        "objects": run.training.objects,
        "left_out": run.training.lost.words[:1000],
        "priors": len(run.detector.priors),
        "processes": run.world,
        "settings": run.settings.plain(),
        "options": run.options.plain(),
        "versions": versions(),
    }


def read_config(folder: RunFolder) -> dict[str, Any]:
    """The config of a run folder, its shape checked; InputError where it is damaged or of a classifier."""
    config = folder.read_json("config.json", {"net": str})
    if config.get("kind") != _KIND:
        raise InputError(f"{folder.path} is a run of fermatnet train, not of fermatnet detect train")
    path = folder.path / "config.json"
    validate(config, _CONFIG, path)
    known = {key: SHAPES[key] for key in config["options"] if key in SHAPES}
    validate(config["options"], known, path, "options.")
    shapes = {key: kind for key, kind in SETTING_SHAPES.items() if key in config["settings"]}
    validate(config["settings"], shapes, path, "settings.")
    return config


def check_same(folder: RunFolder, old: dict[str, Any], new: dict[str, Any]) -> None:
    """InputError unless the run in the folder can go on with this config."""
    for key in ("format", "net", "network", "data", "classes", "twin", "training_images"):
        if old.get(key) != new[key]:
            raise InputError(f"{folder.path} is a run of another {key}: {old.get(key)}, not {new[key]}")
    usual = Options().plain() | Settings().plain()
    theirs, mine = old["options"] | old["settings"], new["options"] | new["settings"]
    free = (*FREE, *FREE_OPTIONS, *(("accumulate",) if same_parts(old, new) else ()))
    differ = [name for name in mine if mine[name] != theirs.get(name, usual[name]) and name not in free]
    if differ:
        raise InputError(
            f"{folder.path} was trained with other options ({', '.join(differ)}): resume with the same ones"
        )


def totals(run: Any) -> dict[str, Any]:
    """summary.json: scores of each form on the test split, time and memory."""
    seconds = {name: 0.0 for name in run.scores}
    for entry in run.record.entries:
        seconds[entry["phase"]] = seconds.get(entry["phase"], 0.0) + entry["seconds"]
    last = next(reversed(run.scores))
    return {
        "net": run.net,
        "data": run.data_name,
        "scheme": run.scheme.describe(),
        "seed": run.options.seed,
        "out": str(run.folder.path),
        "test_images": len(run.test),
        "scores": run.scores,
        "final": last,
        "map": run.scores[last]["map"],
        "parameters": int(np.sum([p.numel() for p in run.detector.parameters()])),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "peak_memory_mb": round(peak_memory_mb(), 1),
    } | ({"note": run.note} if run.note else {})
