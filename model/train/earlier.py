"""A run that starts from an earlier one's quantized network: more epochs, other augmentation or rates."""

from pathlib import Path
from typing import Any

from torch import nn

from fermatnet.model.errors import InputError
from fermatnet.model.nn.scheme import Scheme
from fermatnet.model.train.config import read_config
from fermatnet.model.train.finished import load_run
from fermatnet.model.train.folder import RunFolder

__all__ = ["check_earlier", "take_over", "twin_of"]


def twin_of(earlier: str | Path) -> str:
    """The run folder of the full-precision network that an earlier run started from; its own where it trained
    one."""
    folder = RunFolder(earlier)
    named = read_config(folder).get("twin")
    if (folder.path / "float.pt").is_file():
        return str(folder.path.resolve())
    if named is None:
        raise InputError(f"{earlier} has no full-precision network to learn from: name one with --twin")
    return str(named)


def check_earlier(earlier: str | Path, net: str, scheme: Scheme, network: dict[str, Any]) -> None:
    """InputError unless the earlier run has this network in these layers."""
    config = read_config(RunFolder(earlier))
    if scheme.full_precision:
        raise InputError(
            f"--start takes the quantized network of {earlier}, a full-precision run has none: "
            "leave --start out, or choose a --scheme"
        )
    for what, theirs, mine in (
        ("network", config["net"], net),
        ("scheme", config["scheme"], scheme.describe()),
        ("network options", config.get("network") or {}, network),
    ):
        if theirs != mine:
            raise InputError(f"{earlier} has another {what}: {theirs}, not {mine}; --start takes the same")


def take_over(model: nn.Module, earlier: str | Path) -> None:
    """Give ``model`` the weights, levels and statistics of the earlier run's quantized network."""
    found, _ = load_run(earlier, "quantized")
    try:
        model.load_state_dict(found.state_dict())
    except RuntimeError as error:
        line = str(error).splitlines()[-1].strip()
        raise InputError(f"{earlier} has a network for other data: {line}") from error
