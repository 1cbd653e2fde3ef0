"""Schemes of single layers as an option of training: entries ``PATTERN=SCHEME``, or the JSON file of a search
whose key "map" holds them. Needs no torch."""

import json
from collections.abc import Iterable
from pathlib import Path

from fermatnet.model.errors import InputError
from fermatnet.model.nn.patterns import parse, split
from fermatnet.model.train.ranges import OWN_FORM, check_scheme
from fermatnet.model.zoo.catalogue import form

__all__ = ["check_map", "check_takes_map", "entries"]


def entries(given: Iterable[str]) -> tuple[str, ...]:
    """What was given with files read: ``PATTERN=SCHEME`` each, in their order."""
    found: list[str] = []
    for one in given:
        found += _read(Path(one)) if one.endswith(".json") else [one]
    return tuple(found)


def _read(path: Path) -> list[str]:
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON file with a map of schemes: {error}") from error
    kept = held.get("map") if isinstance(held, dict) else None
    if not isinstance(kept, dict) or not kept or not all(isinstance(value, str) for value in kept.values()):
        raise InputError(f"{path} has no key 'map' that gives patterns schemes, {{'layer1.*': 'int8'}} say")
    return [f"{pattern}={word}" for pattern, word in kept.items()]


def check_map(given: Iterable[str]) -> None:
    """InputError unless every entry is a pattern and a scheme with counts that it takes."""
    for one in given:
        name, weights, activations, edge = parse(split(one)[1])
        if name == OWN_FORM:
            raise InputError(f"the map gives {split(one)[0]!r} {OWN_FORM}, which is a form of whole networks")
        check_scheme(name, weights, activations)
        if edge is not None and edge != 0 and not 2 <= edge <= 24:
            raise InputError(f"edge bits must be 0 (full precision) or 2 to 24, not {edge} in {one!r}")


def check_takes_map(net: str, scheme: str, given: Iterable[str]) -> None:
    """InputError where a network whose layers come from no scheme is given a map."""
    if tuple(given) and (form(net) != "scheme" or scheme == OWN_FORM):
        raise InputError(
            f"{net} {'as in the thesis ' if scheme == OWN_FORM else ''}has layers of its own, not those of a "
            "scheme: leave the map out"
        )
