"""What holds for every test."""

import gc


def pytest_collection_finish() -> None:
    """What is imported stays: the garbage collector need not look through it before every test's own."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # designs are many small objects


def pytest_unconfigure() -> None:
    """Libraries look at the end for what was not collected."""
    gc.unfreeze()
