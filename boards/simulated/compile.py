"""A program that is the simulated board, compiled by Verilator and kept."""

import subprocess
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from fermatnet.model.errors import InputError
from fermatnet.sim import cache, verilator
from fermatnet.sim.outcome import first_error
from fermatnet.sim.tools import find

__all__ = ["compiled"]

PROGRAM = "board"
# no --timing and no tracing: neither is used here
_ARGUMENTS = (
    "--cc",
    "--exe",
    "--build",
    "-j",
    "2",
    "--prefix",
    "Vboard",
    "-Wno-fatal",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "-O3",
    "-fno-merge-cond-motion",
    # the wheel was built where no compiler was asked how it includes a precompiled header
    "-MAKEFLAGS",
    "CFG_CXXFLAGS_PCH_I=-include",
)


def compiled(sources: Mapping[str, str], top: str, *, reset_on: int | None = None) -> Path:
    """The program that simulates ``top`` of the Verilog ``sources`` (text by name); some 20 seconds the first
    time.

    ``reset_on``: level of the port ``reset`` that resets, None where there is none. Memory files are read
    from the folder in which it runs.
    """
    tool = find("verilator")
    harness = (resources.files("fermatnet.boards.simulated") / "harness.cpp").read_text()
    flags = "-std=c++20" + (f" -DRESET_ON={reset_on}" if reset_on is not None else "")
    parts = ["board 1", tool.version, top, flags, *_ARGUMENTS, harness]
    parts += [part for name in sorted(sources) for part in (name, sources[name])]

    runtime = cache.key(["board runtime 1", tool.version, *_ARGUMENTS])

    def make(folder: Path) -> None:
        made = folder / "obj_dir"
        made.mkdir()
        verilator.reuse_runtime(cache.directory() / runtime, made)
        for name, text in {**sources, "harness.cpp": harness}.items():
            (folder / name).write_text(text)
        command = ["verilator", *_ARGUMENTS, "-CFLAGS", flags, "--top-module", top, "-o", PROGRAM]
        command += [*sorted(sources), "harness.cpp"]
        log = folder / "build.log"
        with log.open("w") as output:
            done = subprocess.run(
                command, cwd=folder, env=tool.environ(), stdout=output, stderr=output, check=False
            )
        if done.returncode:
            raise InputError(f"verilator cannot compile {top}: {first_error(log)}")
        cache.stored(runtime, lambda kept: verilator.copy_runtime(made, kept))

    return cache.stored(cache.key(parts), make) / "obj_dir" / PROGRAM
