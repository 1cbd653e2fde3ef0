"""The boards that are known by name, and a user's own."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from fermatnet.boards.definitions import published
from fermatnet.boards.definitions.board import Board
from fermatnet.boards.definitions.file import read_board
from fermatnet.model.errors import InputError

__all__ = ["BOARDS", "find_board"]

_ULX3S_LEDS = [("led", k, "") for k in range(4)]


def _ulx3s(size: str) -> Board:
    return published.board(
        published.platform("ulx3s", f"ULX3S_{size}F_Platform"),
        name=f"ulx3s-{size.lower()}f",
        title=f"ULX3S {size}F",
        device=f"ecp5-{size}k",
        package="CABGA381",
        speed="6",
        leds=_ULX3S_LEDS,
        reset=("button_fire", 0),
        programmer="ulx3s",
    )


def _orangecrab() -> Board:
    cls = published.platform("orangecrab_r0_2", "OrangeCrabR0_2_25FPlatform")
    like = published.single_pin(cls, "clk")
    return published.board(
        cls,
        name="orangecrab",
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


def _icebreaker() -> Board:
    return published.board(
        published.platform("icebreaker", "ICEBreakerPlatform"),
        name="icebreaker",
        title="iCEBreaker",
        device="ice40-up5k",
        package="sg48",
        leds=[("led_g", 0, ""), ("led_r", 0, "")],
        reset=("button", 0),
        programmer="ice40_generic",
        note="the serial port is the second one of the board's USB adapter",
    )


def _tangnano9k() -> Board:
    return published.board(
        published.platform("tang_nano_9k", "TangNano9kPlatform"),
        name="tangnano9k",
        title="Sipeed Tang Nano 9K",
        device="gw1nr-9",
        leds=[("led", k, "") for k in range(4)],
        programmer="tangnano9k",
        note="the serial port is the second one of the board's USB adapter",
    )


def _arty() -> Board:
    return published.board(
        published.platform("arty_a7", "ArtyA7_35Platform"),
        name="arty-a7-35",
        title="Digilent Arty A7-35T",
        device="xc7a35t",
        package="csg324",
        speed="1L",
        leds=[("led", k, "") for k in range(4)],
        reset=("button", 0),
        programmer="arty_a7_35t",
        note="only constraints and a script for Vivado are written: no open tool from pip places on it",
    )


def _shipped(name: str) -> Board:
    return read_board(Path(str(resources.files("fermatnet.boards.definitions") / "files" / f"{name}.toml")))


BOARDS: dict[str, Callable[[], Board]] = {
    "ulx3s-12f": lambda: _ulx3s("12"),
    "ulx3s-25f": lambda: _ulx3s("25"),
    "ulx3s-45f": lambda: _ulx3s("45"),
    "ulx3s-85f": lambda: _ulx3s("85"),
    "orangecrab": _orangecrab,
    "colorlight-i5": lambda: _shipped("colorlight-i5"),
    "icebreaker": _icebreaker,
    "tangnano9k": _tangnano9k,
    "tangnano20k": lambda: _shipped("tangnano20k"),
    "arty-a7-35": _arty,
}
"""Boards by name; each is made when it is asked for."""

ALIASES = {"ulx3s": "ulx3s-85f"}


def find_board(name: str) -> Board:
    """The board of that name, or of the TOML file of that name; InputError that lists the known ones."""
    known = ALIASES.get(name, name)
    if known in BOARDS:
        return BOARDS[known]()
    if name.endswith(".toml"):
        return read_board(name)
    raise InputError(f"board must be one of {', '.join(BOARDS)}, or a .toml file of your own, not {name!r}")
