"""How Verilator is asked to build, and its run-time library, compiled once for all designs."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from fermatnet.sim import compression
from fermatnet.sim.tools import Simulator

__all__ = ["ARGUMENTS", "arguments", "copy_runtime", "reuse_runtime"]

# unique: what has no value is random (see run), so that a design that depends on it fails; the wheel does not
# know which standard its compiler needs for --timing
ARGUMENTS = (
    "-Wno-fatal",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--timing",
    "-O3",
    "-CFLAGS",
    "-std=c++20",
    # quadratic in the registers with an enable: four fifths of the time of a large design
    "-fno-merge-cond-motion",
)


def copy_runtime(source: Path, target: Path) -> None:
    """Copies the library's objects."""
    for path in source.glob("verilated*.o"):
        shutil.copyfile(path, target / path.name)


def reuse_runtime(runtime: Path, directory: Path) -> None:
    """Puts the objects of Verilator's run-time library, the same for every design, where make looks for them.

    Half the time of a small build goes into them. make compares them with a makefile that Verilator is about
    to write, so they are dated a little ahead.
    """
    if runtime.is_dir():
        copy_runtime(runtime, directory)
        soon = time.time() + 600
        for path in directory.glob("verilated*.o"):
            os.utime(path, (soon, soon))


def arguments(
    tool: Simulator, top: str, visible: Sequence[str] | None, waves: str, directory: Path, files: list[str]
) -> list[str]:
    """Arguments of a build in ``directory``; a control file for the signals that are ``visible`` goes there,
    and first among ``files``."""
    flags = [*ARGUMENTS]
    if visible is not None:
        control = directory / "visible.vlt"
        lines = [f'public_flat_rw -module "{top}" -var "{name}"' for name in visible]
        control.write_text("\n".join(["`verilator_config", *lines, ""]))
        files.insert(0, str(control))
        flags.append("--no-public-flat-rw")  # cocotb's runner asks for all signals before these arguments
    if waves == ".fst":
        flags += ["--trace-fst", *compression.stand_ins(directory, tool.environ())]
    return flags
