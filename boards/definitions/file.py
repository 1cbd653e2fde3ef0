"""Boards from a user's file: about twenty lines of TOML."""

import tomllib
from pathlib import Path
from typing import Any

from fermatnet.boards.definitions.board import Board, Pin
from fermatnet.model.errors import InputError

__all__ = ["read_board"]

_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "title": str,
    "device": str,
    "clock_mhz": (int, float),
    "pins": dict,
}
_MORE: dict[str, type | tuple[type, ...]] = {
    "package": str,
    "speed": str,
    "programmer": str,
    "baud": int,
    "note": str,
    "attributes": dict,
}
_PINS: dict[str, type] = {"clock": str, "rx": str, "tx": str}
_MORE_PINS: dict[str, type] = {"leds": list, "leds_inverted": bool, "reset": str, "reset_inverted": bool}


def read_board(path: str | Path) -> Board:
    """The board that a TOML file describes.

    ``name``, ``title``, ``device``, ``clock_mhz`` and a table ``pins`` with ``clock``, ``rx``, ``tx`` are
    needed; ``package``, ``speed``, ``programmer``, ``baud``, ``note``, ``attributes`` (of all pins),
    ``pins.leds``, ``pins.leds_inverted``, ``pins.reset``, ``pins.reset_inverted`` may be there. InputError
    names what is missing, unknown or of another type.
    """
    path = Path(path)
    try:
        found = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from None
    _check(found, _REQUIRED, _MORE, path, "")
    pins = found["pins"]
    _check(pins, _PINS, _MORE_PINS, path, "pins.")
    attributes = {key: str(value) for key, value in found.get("attributes", {}).items()}

    def pin(place: Any, inverted: bool = False) -> Pin:
        if not isinstance(place, str) or not place:
            raise InputError(f"{path}: a pin is a place in quotes, not {place!r}")
        return Pin(place, inverted, dict(attributes))

    more = {key: found[key] for key in ("package", "speed", "programmer", "baud", "note") if key in found}
    return Board(
        found["name"],
        found["title"],
        found["device"],
        pin(pins["clock"]),
        float(found["clock_mhz"]),
        pin(pins["rx"]),
        pin(pins["tx"]),
        tuple(pin(led, pins.get("leds_inverted", False)) for led in pins.get("leds", [])),
        pin(pins["reset"], pins.get("reset_inverted", False)) if "reset" in pins else None,
        source=path.name,
        **more,
    )


def _check(found: dict[str, Any], needed: dict[str, Any], more: dict[str, Any], path: Path, at: str) -> None:
    for key, kind in {**needed, **more}.items():
        if key not in found:
            if key in needed:
                raise InputError(f"{path}: {at}{key} is missing")
            continue
        value = found[key]
        wrong = isinstance(value, bool) and kind is not bool
        if wrong or not isinstance(value, kind):
            wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise InputError(f"{path}: {at}{key} must be of type {wanted}, not {value!r}")
    for key in found:
        if key not in needed and key not in more:
            raise InputError(f"{path}: {at}{key} is unknown; known are {', '.join([*needed, *more])}")
