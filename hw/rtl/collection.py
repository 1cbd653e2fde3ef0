"""Python's garbage collector while a design is elaborated."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without searches for circles of dead objects: as ``with uncollected():`` or as a decorator.

    Elaboration makes hundreds of thousands of small objects that live to its end, and looking through them
    again and again takes a fifth of its time. What is counted by reference is freed as always. Nests; the
    collector is left as it was found.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
