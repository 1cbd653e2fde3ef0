"""What a stand-alone block is: its name, its options, and how to build it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.lib import wiring

__all__ = ["Block", "Option"]


@dataclass(frozen=True)
class Option:
    """One parameter of a block: ``type`` is int, bool, str or a tuple of allowed strings; an int is at most
    ``most``."""

    name: str
    type: Any
    default: Any
    help: str
    most: int = 1 << 16


@dataclass(frozen=True)
class Block:
    """One generator: ``build(**options)`` returns the component whose attributes may hold ``latency`` and
    ``cycles``."""

    name: str
    help: str
    build: Callable[..., wiring.Component]
    options: tuple[Option, ...] = ()
