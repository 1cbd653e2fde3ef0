"""The config of a run folder: what a resumed or loaded run must agree with."""

from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import SIZE, validate
from fermatnet.model.train.folder import RunFolder
from fermatnet.model.train.options import FREE, SHAPES, Options
from fermatnet.model.train.parts import same_parts

__all__ = ["FORMAT", "check_same", "read_config"]

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


def read_config(folder: RunFolder) -> dict[str, Any]:
    """The config of a run folder, its shape checked; InputError where it is damaged."""
    config = folder.read_json("config.json", _CONFIG)
    validate(
        config["options"],
        {key: SHAPES[key] for key in config["options"] if key in SHAPES},
        folder.path / "config.json",
        "options.",
    )
    return config


def check_same(folder: RunFolder, old: dict[str, Any], new: dict[str, Any]) -> None:
    """InputError unless the run in the folder can go on with this config."""
    for key in ("format", "net", "data_sha256", "twin", "start"):
        if old.get(key) != new.get(key):
            raise InputError(f"{folder.path} is a run of another {key}: {old.get(key)}, not {new[key]}")
    usual = Options().plain()  # an option newer than the run had its usual value
    theirs, mine = old.get("options") or {}, new["options"]
    free = (*FREE, "accumulate") if same_parts(old, new) else FREE
    differ = [name for name in mine if mine[name] != theirs.get(name, usual[name]) and name not in free]
    if (old.get("network") or {}) != new.get("network", {}):
        differ.append("network options")
    if differ:
        raise InputError(
            f"{folder.path} was trained with other options ({', '.join(differ)}): resume with the same ones"
        )
