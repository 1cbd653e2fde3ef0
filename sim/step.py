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


def launch(
    action: str, tool: Simulator, arguments: dict[str, Any], log: Path, poll: Callable[[], None] | None = None
) -> int:
    """Exit status of the step ("build" or "test"), whose words go to ``log``; its process group is killed if
    this process is interrupted."""
    request = log.with_suffix(".json")
    request.write_text(json.dumps({"action": action, "simulator": tool.name, "arguments": arguments}))
    environment = tool.environ()
    for name in ("PYTEST_CURRENT_TEST", "WAVES", "GUI", "COCOTB_TEST_FILTER"):
        environment.pop(name, None)  # settings of an outer test run are not meant for this one
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
