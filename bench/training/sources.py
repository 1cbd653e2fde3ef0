"""The data sets that benches of small one-bit networks train on."""

from pathlib import Path

from fermatnet.model.train.data import load

__all__ = ["sources"]


def sources(data: str | None) -> dict[str, str]:
    """Data sets by task, those of folder ``data`` too; refused here, before anything is measured."""
    names = {"digits": "digits"}
    if data is not None:
        names["fashion-mnist"] = f"fashion-mnist:{Path(data) / 'fashion-mnist'}"
        load(names["fashion-mnist"])
    return names
