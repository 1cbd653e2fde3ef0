"""Recipes: the settings of a chapter as a plain TOML file that says of every value where it stands.

title = "CIFAR-100 in chapters 6 and 7"
data = "cifar100"
networks = ["plain-resnet50", "aw-resnet50"]

[options]           # of fermatnet.model.train.options.Options
batch = 128

[source]            # of every option, the place it was taken from
batch = "thesis 7.4, 'We set the batch size to 128'"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.model.errors import InputError
from fermatnet.model.json_shape import validate
from fermatnet.model.train.options import SHAPES

__all__ = ["Recipe", "read_recipe", "recipes", "with_recipe"]

FOLDER = Path(__file__).parent / "recipes"
_SHAPE = {"title": str, "data": str, "networks": [str], "options": dict, "source": dict}


@dataclass(frozen=True)
class Recipe:
    """title; the kind of data and the networks it is for; options; the source of each option."""

    title: str
    data: str
    networks: tuple[str, ...]
    options: dict[str, Any]
    source: dict[str, str]


def recipes(folder: Path = FOLDER) -> list[str]:
    """Names of the recipes that come along."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_recipe(name: str, folder: Path = FOLDER, shapes: Mapping[str, Any] = SHAPES) -> Recipe:
    """The recipe of that name, or in that file (a name with .toml); InputError in one line where it is
    damaged, names an option that training has not, or lacks the source of one."""
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not path.is_file():
        raise InputError(
            f"no recipe is called {name!r}; there are {', '.join(recipes(folder))}, or FILE.toml"
        )
    try:
        found = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML file: {error}") from error
    validate(found, _SHAPE, path)
    for option in found["options"]:
        if option not in shapes:
            raise InputError(f"{path}: training has no option {option!r}")
        if not isinstance(found["source"].get(option), str):
            raise InputError(f"{path}: [source] does not say where {option} is from")
    for option in found["source"]:
        if option not in found["options"]:
            raise InputError(f"{path}: [source] tells of {option}, which [options] does not set")
    shape = {key: shapes[key] for key in found["options"]}
    validate(found["options"], shape, path, "options.")
    return Recipe(found["title"], found["data"], tuple(found["networks"]), found["options"], found["source"])


def with_recipe(
    name: str, given: dict[str, Any], folder: Path = FOLDER, shapes: Mapping[str, Any] = SHAPES
) -> dict[str, Any]:
    """The recipe's options, and over them those that were given (None: not given)."""
    chosen = {key: value for key, value in given.items() if value is not None}
    return read_recipe(name, folder, shapes).options | chosen
