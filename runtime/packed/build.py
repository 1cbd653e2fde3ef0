"""Builds and loads the engine's C++ on demand, once per machine and version.

The kernels in the folder `kernels` are compiled once a *form* (a set of instructions: ``avx512`` with VNNI
and VPOPCNTDQ, ``avx2``, ``neon``, ``portable``), each into its own object with its own flags, and linked into
one library; which forms this processor can run is asked at run time. The library's name is a hash over
sources, compiler and flags; nothing is built at import.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fermatnet.model.fermat.software.build import cache_directory

__all__ = ["Form", "built", "forms", "library", "why_not"]

SOURCES = Path(__file__).with_name("kernels")
COMMON = ("-std=c++17", "-O3", "-fPIC", "-pthread", "-Wno-psabi")
_X86 = {
    "avx512": "-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vpopcntdq -mavx2 -mpopcnt"
    " -DFORM_AVX512",
    "avx2": "-mavx2 -mpopcnt -DFORM_AVX2",
    "portable": "-DFORM_PORTABLE",
}
_ARM = {"neon": "-march=armv8.2-a+dotprod -DFORM_NEON", "portable": "-DFORM_PORTABLE"}
_MACHINES = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}


@dataclass(frozen=True)
class Form:
    """One compiled form that this processor can run.

    number: as the library counts; lanes: int32 lanes of a vector; pixels[v]: most pixels of a register block
    of v vectors of outputs.
    """

    name: str
    number: int
    lanes: int
    pixels: tuple[int, ...]


def _flags() -> dict[str, str]:
    return _MACHINES.get(platform.machine(), {"portable": "-DFORM_PORTABLE"})


def _compiler() -> str:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        raise OSError("no C++ compiler: install g++ or clang++ (or set CXX)")
    return compiler


def _finish(processes: list[subprocess.Popen[str]]) -> None:
    """Waits for all; OSError with the first error's line."""
    problems = [(process.communicate()[1], process.returncode) for process in processes]
    for text, code in problems:
        if code:
            lines = (
                [line for line in text.splitlines() if "error" in line] or text.splitlines() or [str(code)]
            )
            raise OSError(f"the C++ compiler failed: {lines[0].strip()}")


def _start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _compile(compiler: str, folder: Path) -> Path:
    """All forms side by side, then the link."""
    objects, processes = [], []
    for name, flags in _flags().items():
        objects.append(str(folder / f"{name}.o"))
        processes.append(
            _start(
                compiler,
                *COMMON,
                *flags.split(),
                f"-DFORM={name}",
                "-c",
                str(SOURCES / "form.cpp"),
                "-o",
                objects[-1],
            )
        )
    objects.append(str(folder / "engine.o"))
    processes.append(_start(compiler, *COMMON, "-c", str(SOURCES / "engine.cpp"), "-o", objects[-1]))
    _finish(processes)
    built = folder / "packed.so"
    _finish([_start(compiler, "-shared", "-pthread", *objects, "-o", str(built))])
    return built


def _target(compiler: str) -> Path:
    """Where the library of this compiler lies, or will."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    sources = [path.read_text() for path in sorted(SOURCES.iterdir())]
    text = "\0".join((*sources, version, *COMMON, *_flags().values()))
    return cache_directory() / f"packed-{hashlib.sha256(text.encode()).hexdigest()[:20]}.so"


def _build() -> Path:
    compiler = _compiler()
    target = _target(compiler)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            os.replace(_compile(compiler, Path(folder)), target)  # atomic: a reader sees all of it or none
    return target


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        loaded = ctypes.CDLL(str(_build()))
    except (OSError, subprocess.SubprocessError) as problem:
        return None, str(problem)
    i, p = ctypes.c_int64, ctypes.c_void_p
    loaded.packed_forms.restype = i
    for name, c_type in (("name", ctypes.c_char_p), ("usable", i), ("shape", ctypes.POINTER(i))):
        function = getattr(loaded, f"packed_form_{name}")
        function.argtypes, function.restype = [i], c_type
    loaded.packed_open.argtypes, loaded.packed_open.restype = [p, i, i], p
    loaded.packed_close.argtypes, loaded.packed_close.restype = [p], None
    loaded.packed_run.argtypes, loaded.packed_run.restype = [p, p, i, p], None
    loaded.packed_profile.argtypes, loaded.packed_profile.restype = [p, p, i, p, p], None
    return loaded, ""


def built() -> bool:
    """Whether the library is there already, so that nothing has to be compiled."""
    try:
        return _target(_compiler()).exists()
    except (OSError, subprocess.SubprocessError):
        return True  # nothing will be


def why_not() -> str:
    """Why the compiled engine is missing: one line, empty when it is there. The first call may compile for
    ten seconds.
    """
    return _load()[1]


def library() -> ctypes.CDLL:
    """The loaded library; OSError with the compiler's first error when it cannot be built."""
    loaded, problem = _load()
    if loaded is None:
        raise OSError(problem)
    return loaded


@functools.cache
def forms() -> dict[str, Form]:
    """The forms this processor can run by name, the fastest first."""
    compiled, by_name = library(), {}
    for number in range(compiled.packed_forms()):
        if compiled.packed_form_usable(number):
            name = compiled.packed_form_name(number).decode()
            shape = compiled.packed_form_shape(number)
            by_name[name] = Form(name, number, shape[0], tuple(shape[2 + v] for v in range(shape[1] + 1)))
    return by_name
