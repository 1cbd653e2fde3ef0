"""One cocotb build or test in a process of its own: ``python -m fermatnet.sim.launch REQUEST.json``.

cocotb's runner works on the environment and the working directory of its process and prints what it runs;
here it cannot touch the caller's. The exit status tells only whether the step ran through; whether the
*tests* passed is in the results file, which the caller reads.
"""

import json
import sys
from pathlib import Path
from typing import Any

from cocotb_tools.runner import get_runner

from fermatnet.sim.watch import die_with_parent

__all__ = ["main"]


def main(path: str) -> int:
    """Runs the request in a JSON file: builds a simulator or runs a bench; status 1 where that fails."""
    request: dict[str, Any] = json.loads(Path(path).read_text())
    runner = get_runner(request["simulator"])
    action = runner.build if request["action"] == "build" else runner.test
    try:
        action(**request["arguments"])
    except RuntimeError as error:  # the command that failed has written to the log
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(sys.argv[1]))
