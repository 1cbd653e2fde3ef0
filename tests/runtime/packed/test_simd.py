"""Each form's vectors against plain integers: those of this processor, and (with FERMATNET_LONG_TESTS=1) NEON
in an emulator.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fermatnet.runtime.packed import build

from . import nets

PROGRAM = Path(__file__).with_name("simd_check.cpp")


def check(tmp_path: Path, compiler: list[str], flags: str, name: str, emulator: list[str]) -> None:
    binary = tmp_path / "check"
    options = ["-std=c++17", "-O2", "-Wno-psabi", f"-I{build.SOURCES}", f"-DFORM={name}", *flags.split()]
    done = subprocess.run(
        [*compiler, *options, str(PROGRAM), "-o", str(binary)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([*emulator, str(binary)], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.endswith(" equal\n") and int(shown.stdout.split()[0]) > 300_000


@pytest.mark.parametrize("name", nets.forms())
def test_native(name, tmp_path):
    check(tmp_path, [build._compiler()], build._flags()[name], name, [])


@pytest.mark.skipif(
    not os.environ.get("FERMATNET_LONG_TESTS"),
    reason="the cross compiler builds its library first: FERMATNET_LONG_TESTS=1",
)
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="no qemu-aarch64")
@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="no cross compiler: pip install ziglang")
def test_neon_in_an_emulator(tmp_path):
    compiler = [
        sys.executable,
        "-m",
        "ziglang",
        "c++",
        "-target",
        "aarch64-linux-musl",
        "-mcpu=generic+dotprod",
        "-static",
    ]
    check(tmp_path, compiler, "-DFORM_NEON", "neon", ["qemu-aarch64", "-cpu", "max"])
