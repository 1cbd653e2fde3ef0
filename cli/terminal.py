"""The standard streams as a command needs them: any text prints, and a reader that goes away makes no
noise."""

import io
import os
import sys
import warnings
from contextlib import suppress

__all__ = ["close", "prepare"]


def prepare(debug: bool) -> None:
    """Replaces closed streams, prints what an encoding lacks as "?", and silences libraries' warnings."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            # open as long as the process
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")


def close() -> None:
    """Drops what is still to be printed: the interpreter would try again at its end, and complain."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, io.UnsupportedOperation):
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, stream.fileno())
            os.close(descriptor)
