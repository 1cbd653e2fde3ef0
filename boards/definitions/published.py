"""Boards from amaranth-boards: one more reader of the definitions that its users keep right."""

import importlib
from typing import Any

from fermatnet.boards.definitions.board import Board, Pin
from fermatnet.model.errors import InputError

__all__ = ["board", "platform", "resource_pin", "single_pin"]


def platform(module: str, name: str) -> Any:
    """A class of amaranth-boards; InputError when the package is missing."""
    try:
        return getattr(importlib.import_module(f"amaranth_boards.{module}"), name)
    except ImportError:
        raise InputError(
            "amaranth-boards is not installed; get it with: pip install 'fermatnet[boards]'"
        ) from None


def _find(cls: Any, name: str, number: int) -> Any:
    for resource in cls.resources:
        if resource.name == name and resource.number == number:
            return resource
    raise InputError(f"{cls.__name__} of amaranth-boards has no resource {name} {number}")


def single_pin(cls: Any, name: str, number: int = 0, part: str = "") -> Pin:
    """The pin of a resource, or of one of its subsignals."""
    resource = _find(cls, name, number)
    attributes = {key: str(value) for key, value in resource.attrs.items()}
    pins = resource.ios[0]
    if part:
        signal = next(signal for signal in resource.ios if signal.name == part)
        attributes |= {key: str(value) for key, value in signal.attrs.items()}
        pins = signal.ios[0]
    return Pin(pins.names[0], pins.invert, attributes)


def resource_pin(place: str, like: Pin, *, inverted: bool = False) -> Pin:
    """A pin of a connector, with the attributes of another."""
    return Pin(place, inverted, dict(like.attributes))


def board(
    cls: Any,
    *,
    name: str,
    title: str,
    device: str,
    leds: list[tuple[str, int, str]],
    reset: tuple[str, int] | None = None,
    rx: Pin | None = None,
    tx: Pin | None = None,
    **more: Any,
) -> Board:
    """A board from a platform of amaranth-boards: its default clock, its UART unless ``rx`` and ``tx`` are
    given, its ``leds`` (resource, number, part) and the button ``reset``."""
    clock = _find(cls, cls.default_clk, 0)
    return Board(
        name,
        title,
        device,
        single_pin(cls, cls.default_clk),
        clock.clock.frequency / 1e6,
        rx or single_pin(cls, "uart", 0, "rx"),
        tx or single_pin(cls, "uart", 0, "tx"),
        tuple(single_pin(cls, *led) for led in leds),
        single_pin(cls, *reset) if reset else None,
        source=f"amaranth-boards, {cls.__module__.removeprefix('amaranth_boards.')}",
        **more,
    )
