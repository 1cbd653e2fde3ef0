"""Builds and loads the compiled part of the software convolution, on demand, once per machine and version.

The C++ in the folder `kernels` and the transforms that `codegen.py` writes are compiled
with the machine's own g++ (or `$CXX`) into the user's cache directory. The file's name is a hash over the
sources, the compiler, its flags and the processor, so a new version, compiler or machine never meets an old
binary, and two processes that build at once end with the same file. Nothing is built at import.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from fermatnet.model import cachedir
from fermatnet.model.fermat.software import codegen as software_codegen

__all__ = ["Geometry", "Operands", "available", "cache_directory", "library", "why_not"]

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-pthread", "-Wno-psabi")
SOURCES = Path(__file__).with_name("kernels")
UNIT = SOURCES / "kernels.cpp"  # includes the headers beside it

_FIELDS = (
    "images channels height width stride_n stride_c stride_y stride_x pad_y pad_x out_height out_width "
    "tile_y tile_x points_y points_x tiles_y tiles_x"
    " kernel_y kernel_x dtype"
)


class Geometry(ctypes.Structure):
    """The struct of the same name in the C++: an unstrided convolution cut into tiles (every field an
    int64)."""

    _fields_ = [(name, ctypes.c_int64) for name in _FIELDS.split()]


class Operands(ctypes.Structure):
    """The struct of the same name in the C++: spectra of activations and weights, with their depths, for F_3,
    F_4 and the modulus in wide lanes."""

    _fields_ = [
        ("a", ctypes.c_void_p * 3),
        ("b", ctypes.c_void_p * 3),
        ("depth", ctypes.c_int64 * 3),
        ("e", ctypes.c_void_p),
    ]

    @classmethod
    def of(cls, spectra: dict[int, tuple[int | None, int | None, int]], constants: int | None) -> "Operands":
        """spectra: {t: (address of the activations, address of the weights, depth)}."""
        wide = spectra.get(48) or spectra.get(5)  # F_5 or 2^48+1, never both
        a, b, depth = zip(
            *(each or (None, None, 0) for each in (spectra.get(3), spectra.get(4), wide)), strict=True
        )
        return cls(
            (ctypes.c_void_p * 3)(*a), (ctypes.c_void_p * 3)(*b), (ctypes.c_int64 * 3)(*depth), constants
        )


def cache_directory() -> Path:
    """Where the compiled extension and the calibration live; FERMATNET_CACHE overrides the platform's
    place."""
    return cachedir.cache_directory("fermatnet")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(
            sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
        )
    except OSError:
        return platform.processor()


def _build() -> Path:
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if not compiler:
        raise OSError("no C++ compiler: install g++ (or set CXX)")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    transforms = software_codegen.header()
    sources = [path.read_text() for path in (UNIT, *sorted(SOURCES.glob("*.h")))]
    text = "\0".join((*sources, transforms, version, " ".join(FLAGS), _processor()))
    target = cache_directory() / f"convolution-{hashlib.sha256(text.encode()).hexdigest()[:20]}.so"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        Path(folder, "transforms.h").write_text(transforms)
        built = Path(folder, "convolution.so")
        command = [compiler, *FLAGS, "-I", folder, str(UNIT), "-o", str(built)]
        compilation = subprocess.run(command, capture_output=True, text=True, check=False)
        if compilation.returncode:
            complaint = compilation.stderr.strip().splitlines()
            raise OSError(f"{compiler} failed: {complaint[0] if complaint else compilation.returncode}")
        os.replace(built, target)  # atomic: a reader sees all of it or none
    return target


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        extension = ctypes.CDLL(str(_build()))
    except (OSError, subprocess.SubprocessError) as problem:
        return None, str(problem)
    i, p = ctypes.c_int64, ctypes.c_void_p
    extension.fermat_forward.argtypes = [i, p, ctypes.POINTER(Geometry), i, i, i, p, i]
    extension.fermat_weights.argtypes = [i, p, p, i, i, i, i, i, i, i, i, p, i]
    extension.fermat_exceptions.argtypes = [p, p, i, i, i, i, i, i, i, p, p, i]
    extension.fermat_augment_weights.argtypes = [i, i, i, i, i, p, p, p]
    extension.fermat_augment_tiles.argtypes = [i, i, i, i, i, p, p]
    extension.fermat_multiply.argtypes = [i, p, p, p, p, i, i, i, i, i]
    extension.fermat_inverse.argtypes = [i, p, p, p, ctypes.POINTER(Geometry), i, i, i, p, i, p, i]
    extension.fermat_finish.argtypes = [
        i,
        ctypes.POINTER(Operands),
        ctypes.POINTER(Geometry),
        i,
        i,
        i,
        p,
        i,
        p,
        i,
    ]
    for name, numbers in (
        ("direct_planes32", 10),
        ("direct_planes64", 10),
        ("direct_blocked32", 9),
        ("direct_blocked64", 9),
    ):
        getattr(extension, name).argtypes = [p, p, p, *[i] * numbers]
    for name in (
        "fermat_forward",
        "fermat_weights",
        "fermat_augment_weights",
        "fermat_augment_tiles",
        "fermat_multiply",
        "fermat_inverse",
        "fermat_finish",
    ):
        getattr(extension, name).restype = None
    extension.fermat_exceptions.restype = i
    extension.fermat_instructions.restype = ctypes.c_char_p
    return extension, ""


def available() -> bool:
    """Whether the compiled backend can be had here; the first call may compile for about ten seconds."""
    return _load()[0] is not None


def why_not() -> str:
    """Why the compiled backend is missing: one line, empty when it is there."""
    return _load()[1]


def library() -> ctypes.CDLL:
    """The loaded extension; OSError with the compiler's first line when it cannot be built."""
    extension, problem = _load()
    if extension is None:
        raise OSError(problem)
    return extension
