"""Architectures by name. A module of this package registers what it builds; nothing is imported before a name
is asked for.

    register("digits", build_digits, "the small network of the demonstration")
    network = build("digits", classes=10)

A family takes its numbers from the name: ``register("ua-resnet37-41", builder, help,
pattern=r"ua-resnet(?P<depth>\\d+)-(?P<width>\\d+)")`` calls ``builder(depth=37, width=41, **options)``;
groups of digits arrive as int.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fermatnet.model.errors import InputError

__all__ = ["Entry", "build", "entry", "names", "register"]


@dataclass(frozen=True)
class Entry:
    """One architecture (or family): the name shown, its builder, one line of help, the pattern of the
    family's names."""

    name: str
    builder: Callable[..., Any]
    help: str
    pattern: str | None = None


_entries: dict[str, Entry] = {}
_loaded: set[str] = set()


def register(name: str, builder: Callable[..., Any], help: str, *, pattern: str | None = None) -> None:
    """Make ``build(name, **options)`` call ``builder(**options)``. A name can be given only once."""
    known = _entries.get(name)
    if known is not None and known.builder.__module__ != builder.__module__:
        raise ValueError(f"architecture {name!r} is registered by {known.builder.__module__} already")
    _entries[name] = Entry(name, builder, help, pattern)


def _load() -> None:
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        if module.name not in _loaded:
            importlib.import_module(module.name)
            _loaded.add(module.name)


def names() -> list[str]:
    """All registered names, sorted; of a family its example."""
    _load()
    return sorted(_entries)


def entry(name: str) -> tuple[Entry, dict[str, Any]]:
    """The entry of a name and the options its name carries. An unknown name is an InputError listing near
    ones."""
    _load()
    if name in _entries and _entries[name].pattern is None:
        return _entries[name], {}
    for item in _entries.values():
        match = re.fullmatch(item.pattern, name) if item.pattern else None
        if match:
            groups = {
                key: int(text) if text.isdigit() else text
                for key, text in match.groupdict().items()
                if text is not None
            }
            return item, groups
    if name in _entries:
        return _entries[name], {}
    raise InputError(f"no architecture is called {name!r}; there are {', '.join(names())}")


def build(name: str, **options: Any) -> Any:
    """A ``torch.nn.Module`` of that name; an option its builder does not know is an InputError."""
    item, defaults = entry(name)
    merged = defaults | options
    parameters = inspect.signature(item.builder).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        for key in merged:
            if key not in parameters:
                raise InputError(f"{name} has no option {key!r}; it has {', '.join(parameters) or 'none'}")
    how: Any = merged.get("how")
    if getattr(how, "layers", ()):
        from fermatnet.model.nn.building import build_mixed

        return build_mixed(lambda scheme: item.builder(**merged | {"how": scheme}), how)
    return item.builder(**merged)
