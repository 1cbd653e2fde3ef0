"""What a run says of itself: results of its tests, and the line of a log that says why there are none."""

import re
from pathlib import Path
from xml.etree import ElementTree

from fermatnet.model.errors import InputError

__all__ = ["SimulationError", "check_memories", "check_results", "first_error"]


class SimulationError(InputError):
    """A simulation ran and its test bench reported a failure, or it ended without a result."""


def check_memories(log: Path) -> None:
    """A memory file that is not there is only a warning to both simulators, and zeros or unknowns to the
    design."""
    for line in log.read_text(errors="replace").splitlines():
        if re.search(r"\$readmem.*(not found|[Uu]nable to open)", line):
            raise SimulationError(line.strip())


def check_results(results: Path, log: Path) -> None:
    """Raises SimulationError, with the first error of the log, unless every test of the bench has passed."""
    from cocotb_tools.check_results import get_results

    try:
        tests, failed = get_results(results)
    except (RuntimeError, ElementTree.ParseError):
        raise SimulationError(f"the simulator ended without results: {first_error(log)}") from None
    if failed:
        raise SimulationError(_failure(results))
    if tests == 0:
        raise SimulationError("the test bench holds no test")


def _failure(results: Path) -> str:
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        for kind in ("failure", "error"):
            element = case.find(kind)
            if element is not None:
                words = (element.get("error_msg") or element.get("message") or element.text or kind).strip()
                return f"{case.get('name')}: {words.splitlines()[0] if words else kind}"
    return "a test failed"


def first_error(log: Path) -> str:
    """The line of a log that says most: the first that reads like an error, else the last one."""
    lines = (
        [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if log.is_file()
        else []
    )
    for line in lines:
        if re.search(r"%Error|\berror:|ERROR:|fatal error|Unable to open|No such file|: not found$", line):
            return line
    return lines[-1] if lines else "no output"
