"""The simulated board as a process with a pseudo-terminal."""

import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from fermatnet.boards.clock.primitives import MODELS
from fermatnet.boards.simulated.compile import compiled
from fermatnet.boards.top import TOP
from fermatnet.model.errors import InputError

__all__ = ["SimulatedBoard"]


SLACK_CYCLES = 20_000
"""Cycles without a bit, beyond those of the network, in which the board may still answer: a reset's, a
load's."""


class SimulatedBoard:
    """Runs the top level that lies in the folder of ``fermatnet board``, until it is closed.

    Attributes
    ----------
    port : str
        Name of the pseudo-terminal, to be opened as a serial port.
    """

    def __init__(self, directory: Path, description: dict[str, Any]):
        folder = Path(directory) / "verilog"
        sources = {name: (folder / name).read_text() for name in description["files"]["verilog"]}
        sources["pll_model.v"] = MODELS[description["family"]]
        reset = description["reset_level"]
        program = compiled(sources, TOP, reset_on=reset)
        self.has_reset = reset is not None
        quiet = SLACK_CYCLES + 2 * (description["latency_cycles"] + description["cycles_per_image"])
        self._process = subprocess.Popen(
            [str(program), str(description["link"]["divisor"]), str(quiet)],
            cwd=folder,  # its memory files are read there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()
        if not self.port:
            raise InputError("the simulated board did not start: it opened no pseudo-terminal")

    def press_reset(self) -> None:
        """Presses the board's reset button for a moment; InputError where it has none."""
        if not self.has_reset:
            raise InputError("this board has no reset button")
        assert self._process.stdin is not None
        self._process.stdin.write("r\n")
        self._process.stdin.flush()

    def pause(self, seconds: float) -> None:
        """Stops the board's time at once, for ``seconds`` of its host's."""
        self._process.send_signal(signal.SIGSTOP)
        threading.Timer(seconds, self._process.send_signal, [signal.SIGCONT]).start()

    def close(self) -> None:
        """Ends the simulation."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._process.poll() is None:
            self._process.stdin.close()  # the program ends with its standard input
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()
