"""Types of options: each value is judged when the command line is read, before anything heavy begins."""

import json
import math
from pathlib import Path
from typing import Any

import click

from fermatnet.model.errors import InputError
from fermatnet.model.outputs import apart, check_directory, check_file

__all__ = [
    "SEED",
    "FiniteRange",
    "InputDirectory",
    "InputFile",
    "OutputDirectory",
    "OutputFile",
    "device_choice",
    "judge",
    "own_options",
]

SEED = click.IntRange(0, (1 << 32) - 1)
"""What every generator of random numbers takes."""


class FiniteRange(click.FloatRange):
    """A range of real numbers without NaN and the infinite ones."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; refused where it is infinite or none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class _Name(click.ParamType):
    """A path as it was written; ``_judge`` raises InputError for one that will not do."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            self._judge(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)
        except OSError as error:
            self.fail(f"{str(value)[:80]}: {(error.strerror or 'cannot be used').lower()}", param, ctx)
        return value

    def _judge(self, value: str) -> None:
        raise NotImplementedError


class InputFile(_Name):
    """A file that is there and can be opened."""

    name = "file"

    def _judge(self, value: str) -> None:
        path = Path(value)
        if path.is_dir():
            raise InputError(f"{value} is a folder, not a file")
        if not path.exists():
            raise InputError(f"{value}: no such file")
        if not path.is_file():
            raise InputError(f"{value} is not a regular file")
        with path.open("rb"):
            pass


class InputDirectory(_Name):
    """A folder that is there and can be listed; ``holding``: a file that must be in it, of ``what``."""

    name = "directory"

    def __init__(self, holding: str = "", what: str = ""):
        self.holding, self.what = holding, what

    def _judge(self, value: str) -> None:
        path = Path(value)
        if not path.exists():
            raise InputError(f"{value}: no such folder")
        if not path.is_dir():
            raise InputError(f"{value} is a file, not a folder")
        next(path.iterdir(), None)
        if self.holding and not (path / self.holding).is_file():
            raise InputError(f"{value} holds {self.what}: it has no {self.holding}")


class OutputFile(_Name):
    """A place where a file can be written; with ``suffixes``, under such a name."""

    name = "file"

    def __init__(self, *suffixes: str):
        self.suffixes = suffixes

    def _judge(self, value: str) -> None:
        if self.suffixes and Path(value).suffix.lower() not in self.suffixes:
            raise InputError(f"{value} must end in {' or '.join(self.suffixes)}")
        check_file(value)


class OutputDirectory(_Name):
    """A place where a folder can be made; one that is not empty is judged later, with ``--force``."""

    name = "directory"

    def _judge(self, value: str) -> None:
        check_directory(value, force=True)


def device_choice() -> click.Choice:
    """The devices that designs are made for."""
    from fermatnet.hw.devices import DEVICES

    return click.Choice(list(DEVICES))


def judge(out: str, *inputs: str | None, force: bool) -> None:
    """InputError when the folder ``out`` cannot be made, or when replacing it would destroy an input."""
    check_directory(out, force=force)
    apart(inputs, [out])


def own_options(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """``width=8 form=maxpool`` as the builder takes them: JSON where it is JSON, else a word."""
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE, such as width=8")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options
