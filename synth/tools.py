"""Finds and runs yosys and nextpnr: the WebAssembly builds from pip, or native ones on PATH that are not
older."""

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fermatnet.model.errors import InputError
from fermatnet.synth.wheels import WHEELS, call, prepare

__all__ = ["Tool", "ToolError", "find", "run"]

# older ones map far worse, or lack reports
OLDEST = {"yosys": (0, 50), "nextpnr-ecp5": (0, 7), "nextpnr-ice40": (0, 7)}


class ToolError(InputError):
    """A tool refused the design; the message is the tool's own error line."""


@dataclass(frozen=True)
class Tool:
    """A program that is there: how to call it, its version, and whether it is the native build."""

    name: str
    command: tuple[str, ...]
    version: str
    native: bool


def find(name: str) -> Tool:
    """The tool called ``name``; `InputError` with the pip command when there is none that is new enough."""
    return _find(name, os.environ.get("PATH", ""))


@functools.cache
def _find(name: str, path: str) -> Tool:
    package, module, _ = WHEELS[name]
    there = importlib.util.find_spec(module.split(".")[0]) is not None
    wheel = importlib.metadata.version(package) if there else ""
    # a packer of bitstreams has to know the database of the very nextpnr beside it
    program = shutil.which(name, path=path) if name in OLDEST else None
    if program is not None:
        version = _native_version(program)
        if _numbers(version) >= max(OLDEST[name], _numbers(wheel)):
            return Tool(name, (program,), version, True)
    if not wheel:
        raise InputError(f"{name} is not installed; get it with: pip install '{package}'")
    return Tool(name, (sys.executable, "-P", "-c", call(name)), f"{package} {wheel}", False)


def run(
    tool: Tool,
    arguments: Sequence[str],
    directory: Path,
    log: str,
    *,
    watch: Callable[[], None] | None = None,
) -> float:
    """Runs the tool in ``directory`` and returns the seconds it took; its output goes to the file ``log``
    there.

    File names in ``arguments`` must be relative: the WebAssembly builds see another /tmp. The first call of
    such a build compiles it for about a minute. ``watch`` is called twice a second while the tool works.
    Raises `ToolError` when the tool fails; when this process is interrupted, so is the tool.
    """
    started = time.monotonic()
    if not tool.native:
        prepare(tool.name)
    with (directory / log).open("w") as output:
        process = subprocess.Popen(
            [*tool.command, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while watch is not None and process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
                watch()
            process.wait()
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode != 0:
        raise ToolError(f"{tool.name}: {_error(directory / log)}")
    return time.monotonic() - started


def _error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    for line in lines:
        if "ERROR:" in line:
            return line.split("ERROR:", 1)[1].strip()
    return lines[-1] if lines else "it ended without a word"


def _native_version(program: str) -> str:
    try:
        done = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip().splitlines()[0] if (done.stdout + done.stderr).strip() else ""


def _numbers(version: str) -> tuple[int, int]:
    match = re.search(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
