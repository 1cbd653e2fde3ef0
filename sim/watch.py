"""Ends a worker process, and what it started, when the process that started it is gone however it ended."""

import os
import signal
import threading
import time

__all__ = ["die_with_parent"]


def die_with_parent() -> None:
    """To be called by a process that leads its own group: a thread kills the group once the parent has
    died."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
