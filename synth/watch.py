"""How far yosys and nextpnr are, read from the logs that they write as they go."""

import re
from collections.abc import Callable
from pathlib import Path

__all__ = ["Congested", "Progress", "passes", "routing"]

Progress = Callable[[str], None]
"""Takes a few words for a person."""

_PASS = re.compile(r"^[\d.]+ Executing ([A-Z_0-9]+) pass", re.MULTILINE)
# nextpnr's own lines, in the order they come, and what they begin
_STEPS = (
    (re.compile(r"Packing|Pack constants"), "packing"),
    (
        re.compile(r"Creating initial analytic placement|Running main analytical placer|initial placement"),
        "placing",
    ),
    (re.compile(r"^Info: Routing\.\.|Setting up routing queue|Routing globals|router2"), "routing"),
)
_ITERATION = re.compile(r"iter=(\d+).*?overused=(\d+)|at iteration #(\d+)")
_ARCS = re.compile(r"^Info: +(\d+) \| +(\d+) +\d+ \| +\d+ +\d+ \| +(\d+)\|")
"""Router1, every thousand arcs: how many it has routed, for how many of them it tore others up, how many are
left."""
EARLY, TORN = 20_000, 0.35
"""Arcs after which router1 is taken to be lost, and the share of them that others are torn up for: 7 to 14 %
where it comes to an end, 40 to 60 % for the largest dense constant matrices, with no end in sight."""


class Congested(Exception):
    """Router1 tears up too many connections for each one that it makes."""


class _Tail:
    """What has been added to a growing file since the last look."""

    def __init__(self, path: Path):
        self.path, self.at = path, 0

    def read(self) -> str:
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                new = file.read()
        except OSError:  # the tool has not begun to write
            return ""
        self.at += len(new)
        return new.decode(errors="replace")


def passes(log: Path, detail: Progress | None) -> Callable[[], None] | None:
    """A function that tells ``detail`` the pass that yosys is in; None where nobody asks."""
    if detail is None:
        return None
    tail, last = _Tail(log), ["starting"]

    def look() -> None:
        pass_names = _PASS.findall(tail.read())
        last[0] = f"pass {pass_names[-1].lower()}" if pass_names else last[0]
        detail(last[0])

    return look


def routing(
    log: Path, progress: Progress | None, detail: Progress | None, *, give_up: bool = False
) -> Callable[[], None]:
    """A function that tells ``progress`` when nextpnr packs, places and routes, and ``detail`` the iteration
    it is at. To ``give_up`` is to raise `Congested` when router1 does not get on, always at the same line of
    the same log.
    """
    tail, state = _Tail(log), {"step": "", "words": "starting"}

    def look() -> None:
        for line in tail.read().splitlines():
            step = next((name for pattern, name in _STEPS if pattern.search(line)), state["step"])
            if step != state["step"] and progress is not None:
                progress(f"nextpnr: {step}")
            match = _ITERATION.search(line)
            if match:
                over = f", {match[2]} wires still overused" if match[2] else ""
                state["words"] = f"iteration {match[1] or match[3]}{over}"
            elif arcs := _ARCS.match(line):
                done, torn, left = map(int, arcs.groups())
                if give_up and done >= EARLY and torn > TORN * done:
                    raise Congested
                state["words"] = f"{left} connections left"
            elif step != state["step"]:
                state["words"] = "starting"
            state["step"] = step
        if detail is not None:
            detail(state["words"])

    return look
