"""The demo's steps: which are finished, how long each took, and how long the rest should take."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.model.outputs import check_directory

__all__ = ["EXPECTED", "STEPS", "Steps", "check_folder"]

STEPS = "steps.json"
"""File of the demo's folder with the seconds of each finished step."""

EXPECTED = {
    "train": 45.0,
    "export": 1.0,
    "compute": 3.0,
    "verilog": 10.0,
    "sim": 40.0,
    "synth": 320.0,
    "board": 40.0,
}
"""Rough seconds of each step on two cores. Their proportions matter: the steps that are finished tell how
fast the machine is.
"""

SHARES = {"yosys": 0.0, "nextpnr: packing": 0.27, "nextpnr: placing": 0.29, "nextpnr: routing": 0.75}
"""How much of the synthesis lies before the part that begins with these words."""

HEARTBEAT = 30.0
"""Seconds after which a step that is still going on says so."""


def check_folder(out: Path, resume: bool, force: bool) -> None:
    """InputError when a demo cannot begin in ``out``, or be resumed there; changes nothing."""
    if resume and (out / STEPS).is_file():
        check_directory(out, force=True)
        return
    if out.is_dir() and any(out.iterdir()):
        if not force:
            hint = ", --resume keeps the finished steps" if (out / STEPS).is_file() else ""
            raise InputError(f"{out} is not empty (--force replaces it{hint})")
        if not (out / STEPS).exists():
            raise InputError(f"{out} holds something else than a demo: remove it yourself")
    check_directory(out, force=force)


class Steps:
    """Seconds of each finished step, kept in a file so that a resumed demo reports true figures."""

    def __init__(self, out: Path, resume: bool, force: bool, say: Callable[[str], None]):
        check_folder(out, resume, force)
        if out.is_dir() and force and not resume:
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        self.path, self.say = out / STEPS, say
        self.seconds: dict[str, float] = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.share, self.told = 0.0, time.monotonic()
        self._keep()

    def run(
        self, name: str, words: str, work: Callable[[], Any], kept: Callable[[], Any] | None = None
    ) -> Any:
        """The result of ``work``, or of ``kept`` when the step was finished before."""
        if name in self.seconds and kept is not None:
            self.say(f"{words}: kept from before")
            return kept()
        self.share = 0.0
        self.say(f"{words} ({self.left(name)})")
        started = self.told = time.monotonic()
        result = work()
        self.seconds[name] = round(time.monotonic() - started, 2)
        self._keep()
        return result

    def left(self, name: str) -> str:
        """How long the step ``name`` and those after it should take, in words."""
        order = list(EXPECTED)
        done = [step for step in order[: order.index(name)] if step in self.seconds]
        known = sum(EXPECTED[step] for step in done)
        speed = sum(self.seconds[step] for step in done) / known if known else 1.0
        rest = EXPECTED[name] * (1 - self.share) + sum(
            EXPECTED[step] for step in order[order.index(name) + 1 :]
        )
        seconds = rest * speed
        return (
            f"about {seconds / 60:.0f} min left"
            if seconds >= 90
            else f"about {max(5, round(seconds / 5) * 5)} s left"
        )

    def part(self, words: str) -> None:
        """A part of the synthesis begins."""
        self.share = next((share for start, share in SHARES.items() if words.startswith(start)), self.share)
        self.part_words, self.part_began, self.told = words, time.monotonic(), time.monotonic()
        self.say(f"  {words} ({self.left('synth')})")

    def detail(self, words: str) -> None:
        """What the part is at; told from time to time."""
        now = time.monotonic()
        if now - self.told >= HEARTBEAT:
            self.told = now
            self.say(f"  {self.part_words.partition(' (')[0]}: {now - self.part_began:.0f} s so far, {words}")

    def _keep(self) -> None:
        with atomic_file(self.path) as temporary:
            temporary.write_text(json.dumps(self.seconds))
