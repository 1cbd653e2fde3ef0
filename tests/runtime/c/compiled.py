"""Compiling and running a generated folder."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

COMPILER = shutil.which(os.environ.get("CC", "cc"))
STRICT = "-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -Wsign-conversion"
SANITIZED = f"{STRICT} -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"

needs_compiler = pytest.mark.skipif(
    COMPILER is None or shutil.which("make") is None, reason="no C compiler or no make"
)


def build(folder: Path, *targets: str, flags: str = STRICT) -> None:
    """make, with not one warning."""
    done = subprocess.run(
        ["make", "-s", "-C", str(folder), f"CFLAGS={flags}", *targets],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr[:3000]


def outputs(folder: Path, images: np.ndarray) -> np.ndarray:
    """int64 (n, K) that DIR/run gives for images uint8 (n, C, H, W)."""
    done = subprocess.run([str(folder / "run")], input=images.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return np.array(
        [[int(word) for word in line.split(" ")] for line in done.stdout.decode().splitlines()], np.int64
    )
