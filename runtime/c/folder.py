"""What a folder of generated C holds: sources, kernels, and programs that check it."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from fermatnet.runtime.c.budget import describe
from fermatnet.runtime.c.source import Source
from fermatnet.runtime.c.vectors import text as vectors_text

__all__ = ["KERNELS", "write_folder", "write_sources"]


KERNELS = ("fermatnet_bits.h", "fermatnet_integers.h", "fermatnet_vector.h", "fermatnet_window.h")


def write_sources(source: Source, folder: Path) -> None:
    """NAME.h, NAME.c and the kernels: all that an application needs."""
    (folder / f"{source.name}.h").write_text(source.header)
    (folder / f"{source.name}.c").write_text(source.code)
    for kernel in KERNELS:
        (folder / kernel).write_text((files("fermatnet.runtime.c") / "kernels" / kernel).read_text())


def write_folder(source: Source, folder: Path, checksums: bool = False, vectors: int = 8) -> dict[str, Any]:
    """The files of a source in a folder that exists; returns what memory.json says."""
    name = source.name
    write_sources(source, folder)
    (folder / f"{name}_vectors.h").write_text(vectors_text(source.program, name, vectors, checksums))
    package = files("fermatnet.runtime.c")
    number = "PRId32" if source.out_type == "int32_t" else "PRId64"
    check = "check_layers.c.txt" if checksums else "check.c.txt"
    for template, target in (("run.c.txt", "run.c"), (check, "check.c"), ("Makefile.txt", "Makefile")):
        text = (package / "templates" / template).read_text()
        for word, value in (("NAME", name), ("UPPER", name.upper()), ("FORMAT", number)):
            text = re.sub(rf"(?<![A-Z]){word}(?=_|\.|:|\b)", value, text)
        (folder / target).write_text(text)
    memory = describe(source)
    (folder / "memory.json").write_text(json.dumps(memory, indent=1) + "\n")
    return memory
