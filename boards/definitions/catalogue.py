"""The boards that are known by name, and a user's own."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from fermatnet.boards.definitions import published
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.definitions.file import read_board
from fermatnet.model.errors import InputError

__all__ = ["BOARDS", "find_board"]

_SECOND_PORT = "the serial port is the second one of the board's USB adapter"
_FOUR_LEDS = [("led", k, "") for k in range(4)]

# board: module and class in amaranth-boards, and what those do not tell
_PUBLISHED: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"ulx3s-{size}f": (
            "ulx3s",
            f"ULX3S_{size}F_Platform",
            {
                "title": f"ULX3S {size}F",
                "device": f"ecp5-{size}k",
                "package": "CABGA381",
                "speed": "6",
                "leds": _FOUR_LEDS,
                "reset": ("button_fire", 0),
                "programmer": "ulx3s",
            },
        )
        for size in (12, 25, 45, 85)
    },
    "icebreaker": (
        "icebreaker",
        "ICEBreakerPlatform",
        {
            "title": "iCEBreaker",
            "device": "ice40-up5k",
            "package": "sg48",
            "leds": [("led_g", 0, ""), ("led_r", 0, "")],
            "reset": ("button", 0),
            "programmer": "ice40_generic",
            "note": _SECOND_PORT,
        },
    ),
    "tangnano9k": (
        "tang_nano_9k",
        "TangNano9kPlatform",
        {
            "title": "Sipeed Tang Nano 9K",
            "device": "gw1nr-9",
            "leds": _FOUR_LEDS,
            "programmer": "tangnano9k",
            "note": _SECOND_PORT,
        },
    ),
    "arty-a7-35": (
        "arty_a7",
        "ArtyA7_35Platform",
        {
            "title": "Digilent Arty A7-35T",
            "device": "xc7a35t",
            "package": "csg324",
            "speed": "1L",
            "leds": _FOUR_LEDS,
            "reset": ("button", 0),
            "programmer": "arty_a7_35t",
            "note": "only constraints and a script for Vivado are written: no open tool from pip places "
            "on it",
        },
    ),
}


def _published(name: str) -> Board:
    module, cls, about = _PUBLISHED[name]
    return published.board(published.platform(module, cls), name=name, **about)


def _orangecrab(name: str) -> Board:
    cls = published.platform("orangecrab_r0_2", "OrangeCrabR0_2_25FPlatform")
    like = published.single_pin(cls, "clk")
    return published.board(
        cls,
        name=name,
        title="OrangeCrab r0.2, 25F",
        device="ecp5-25k",
        package="CSFBGA285",
        speed="8",
        leds=[("rgb_led", 0, part) for part in ("g", "b", "r")],
        rx=published.resource_pin("N17", like),
        tx=published.resource_pin("M18", like),
        programmer="orangecrab",
        note="it has no serial adapter: wire a 3.3 V one to the header, RX at IO 0, TX at IO 1",
    )


def _shipped(name: str) -> Board:
    return read_board(Path(str(resources.files("fermatnet.boards.definitions") / "files" / f"{name}.toml")))


BOARDS: dict[str, Callable[[str], Board]] = {
    **{f"ulx3s-{size}f": _published for size in (12, 25, 45, 85)},
    "orangecrab": _orangecrab,
    "colorlight-i5": _shipped,
    "icebreaker": _published,
    "tangnano9k": _published,
    "tangnano20k": _shipped,
    "arty-a7-35": _published,
}
"""Boards by name; each is made of its name when it is asked for."""

ALIASES = {"ulx3s": "ulx3s-85f"}


def find_board(name: str) -> Board:
    """The board of that name, or of the TOML file of that name; InputError that lists the known ones."""
    known = ALIASES.get(name, name)
    if known in BOARDS:
        return BOARDS[known](known)
    if name.endswith(".toml"):
        return read_board(name)
    raise InputError(f"board must be one of {', '.join(BOARDS)}, or a .toml file of your own, not {name!r}")
