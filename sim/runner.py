"""Builds and runs cocotb test benches on Verilator or Icarus, with compiled simulators kept between runs."""

import contextlib
import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.sim import cache, verilator
from fermatnet.sim.outcome import SimulationError, check_memories, check_results, first_error
from fermatnet.sim.step import launch
from fermatnet.sim.tools import Simulator, find

__all__ = ["Built", "SimulationError", "build", "lint", "run", "working_directory"]

WAVE_SUFFIXES = {"verilator": (".fst", ".vcd"), "icarus": (".fst",)}
TIMESCALE = ("1ns", "1ps")


@dataclass(frozen=True)
class Built:
    """A compiled simulator: its cache folder, the design's top module, and whether it can record waves to
    ``waves`` files."""

    simulator: Simulator
    directory: Path
    top: str
    waves: str


def build(
    sources: Mapping[str, str],
    top: str,
    *,
    simulator: str = "verilator",
    parameters: Mapping[str, int] | None = None,
    defines: Mapping[str, str] | None = None,
    visible: Sequence[str] | None = None,
    waves: str = "",
) -> Built:
    """A simulator of the design, from the cache or compiled now (a small design takes Verilator some 10
    seconds).

    Parameters
    ----------
    sources : mapping
        Verilog text by file name; all of it goes into the cache key, so nothing stale is ever run.
    top : str
        The module that cocotb sees.
    simulator : str
        "verilator" or "icarus".
    parameters, defines : mapping
        Parameters of the top module; macros.
    visible : sequence of str or None
        Signals of the top module that Python reads or writes; None keeps every signal of the design visible,
        which costs Verilator most of its speed. Icarus always shows all.
    waves : str
        "" for no waves, ".fst" or ".vcd" for a simulator that can record them.
    """
    tool = find(simulator)
    if simulator == "icarus":
        sources = {name: _awake(text) for name, text in sources.items()}
    if waves and waves not in WAVE_SUFFIXES[simulator]:
        raise InputError(
            f"{simulator} writes waves as {' or '.join(WAVE_SUFFIXES[simulator])}, not {waves!r}"
        )
    wanted = _Compilation(tool, sources, top, dict(parameters or {}), dict(defines or {}), visible, waves)
    return Built(tool, cache.stored(cache.key(wanted.parts()), wanted.into), top, waves)


@dataclass(frozen=True)
class _Compilation:
    """All that goes into a simulator."""

    tool: Simulator
    sources: Mapping[str, str]
    top: str
    parameters: Mapping[str, int]
    defines: Mapping[str, str]
    visible: Sequence[str] | None
    waves: str

    def parts(self) -> list[str]:
        """What the cache's key is made of."""
        return [
            "2",
            _fingerprint(self.tool),
            json.dumps([TIMESCALE, verilator.ARGUMENTS]),
            self.top,
            self.waves,
            json.dumps(None if self.visible is None else sorted(self.visible)),
            json.dumps(sorted(self.parameters.items())),
            json.dumps(sorted(self.defines.items())),
            *(part for name in sorted(self.sources) for part in (name, self.sources[name])),
        ]

    def into(self, directory: Path) -> None:
        """Compiles in ``directory``; the program and the log stay there."""
        files, verilated = [], self.tool.name == "verilator"
        for name, text in self.sources.items():
            (directory / name).write_text(text)
            files.append(str(directory / name))
        build_args = (
            verilator.arguments(self.tool, self.top, self.visible, self.waves, directory, files)
            if verilated
            else ["-Wno-timescale"]
        )
        runtime = cache.key(["runtime", _fingerprint(self.tool), self.waves, *verilator.ARGUMENTS])
        if verilated:
            verilator.reuse_runtime(cache.directory() / runtime, directory)
        arguments = {
            "sources": files,
            "hdl_toplevel": self.top,
            "parameters": self.parameters,
            "defines": self.defines,
            "always": True,
            "build_dir": str(directory),
            "timescale": TIMESCALE,
            "waves": bool(self.waves),
            "build_args": build_args,
        }
        log = directory / "build.log"
        if launch("build", self.tool, arguments, log) != 0:
            raise InputError(f"{self.tool.name} cannot compile {self.top}: {first_error(log)}")
        if verilated:
            cache.stored(runtime, lambda folder: verilator.copy_runtime(directory, folder))
        _keep_program(self.tool, directory, self.top)


def run(
    built: Built,
    test_module: str,
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    seed: int = 0,
    waves: Path | None = None,
    poll: Callable[[], None] | None = None,
) -> None:
    """Runs the cocotb tests of ``test_module`` in ``directory``, which holds the memory files the design
    loads.

    Returns when every test passed. Raises `SimulationError` with the message of the first failing test, or
    with the last words of the simulator when it ended without results (a missing memory file, say). ``waves``
    gets the recorded signals when the run ends, whole or not at all. ``poll`` is called some times a second
    while the simulator works.
    """
    results = directory / "results.xml"
    recorded = directory / f"waves{built.waves}"
    arguments: dict[str, Any] = {
        "test_module": test_module,
        "hdl_toplevel": built.top,
        "hdl_toplevel_lang": "verilog",
        "seed": seed,
        "build_dir": str(built.directory),
        "test_dir": str(directory),
        "results_xml": str(results),
        "extra_env": dict(environment or {}),
        "waves": waves is not None,
    }
    if built.simulator.name == "verilator":
        # registers without an initial value start random, the same for the same seed, not conveniently at
        # zero
        arguments["plusargs"] = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % 0x7FFFFFFF + 1}"]
        if waves is not None:
            arguments["test_args"] = ["--trace-file", str(recorded)]
    elif waves is not None:
        arguments["plusargs"] = [f"+dumpfile_path={recorded}"]
    log = directory / "run.log"
    launch("test", built.simulator, arguments, log, poll)
    check_memories(log)
    check_results(results, log)
    if waves is not None:
        with atomic_file(waves) as temporary:
            shutil.copyfile(recorded, temporary)


@contextlib.contextmanager
def working_directory(keep: Path | None = None) -> Iterator[Path]:
    """A folder to run a test in: temporary and removed at the end, or ``keep``, made when missing."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="fermatnet-sim-") as scratch:
        yield Path(scratch)


def lint(sources: Mapping[str, str], top: str, *, waived: Sequence[str] = ()) -> list[str]:
    """Warnings of ``verilator --lint-only -Wall`` (one line each, empty when clean), without the ``waived``
    kinds."""
    tool = find("verilator")
    with working_directory() as directory:
        for name, text in sources.items():
            (directory / name).write_text(text)
        command = [
            "verilator",
            "--lint-only",
            "-Wall",
            "-Wno-fatal",
            "--top-module",
            top,
            *(f"-Wno-{kind}" for kind in waived),
        ]
        done = subprocess.run(
            [*command, *sources],
            cwd=directory,
            env=tool.environ(),
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith(("%Warning", "%Error"))]
    return [line for line in lines if not line.startswith("%Error: Exiting")]


def _awake(text: str) -> str:
    """Generated Verilog whose combinational blocks all run at time 0 on Icarus.

    yosys has each of them read a register that is set to 0 at time 0, which is to start them. SystemVerilog
    sets initial values before any block waits, so there that starts nothing, and a block whose inputs never
    change stays unknown.
    """
    return re.sub(
        r"reg (\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ) = 0;", r"reg \1; initial #0 \1 = 0;", text
    )


def _keep_program(tool: Simulator, directory: Path, top: str) -> None:
    """Removes what only the compiler needs: objects and generated C++ are twenty times the program."""
    kept = {top, "build.log"} if tool.name == "verilator" else {"sim.vvp", "build.log"}
    for path in directory.iterdir():
        if path.name in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _fingerprint(tool: Simulator) -> str:
    import cocotb_tools.config

    root = dict(tool.environment).get("VERILATOR_ROOT")  # PATH may change: the version names the program
    return json.dumps(
        [
            tool.version,
            root,
            sys.version,
            platform.machine(),
            str(cocotb_tools.config.libs_dir),
            importlib.metadata.version("cocotb"),
        ]
    )
