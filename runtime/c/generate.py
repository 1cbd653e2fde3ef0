"""The C generator: a network file becomes a folder of portable C99 that computes the reference's integers."""

import re
from pathlib import Path
from typing import Any

from fermatnet.model.atomic import atomic_directory
from fermatnet.model.errors import InputError
from fermatnet.model.network import Network
from fermatnet.runtime.c.budget import check_budget
from fermatnet.runtime.c.folder import write_folder
from fermatnet.runtime.c.source import make_source

__all__ = ["generate"]


_KEYWORDS = frozenset(
    (
        "auto",
        "break",
        "case",
        "char",
        "class",
        "const",
        "continue",
        "default",
        "delete",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "new",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "template",
        "this",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
    )
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}")


def _check_name(name: str) -> None:
    if not _PLAIN.fullmatch(name) or name in _KEYWORDS or name.startswith("fn_"):
        raise InputError(
            f"the name {name!r} is no C identifier; take letters, digits and underscores, such as my_net"
        )
    if name in ("run", "check", "main", "ram", "image", "out", "sums"):
        raise InputError(
            f"the name {name!r} is taken by the generated program; add a word, such as {name}_net"
        )


def generate(
    net: Network,
    out: str | Path,
    *,
    name: str = "net",
    checksums: bool = False,
    fast: bool = False,
    ram: int | None = None,
    flash: int | None = None,
    vectors: int = 8,
    web: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Write NAME.h, NAME.c, the kernels, the test programs, their vectors and a Makefile to the folder
    ``out``; returns what memory.json says.

    Parameters
    ----------
    net : Network
    out : folder; appears whole or not at all.
    name : prefix of every public symbol and of the files.
    checksums : also ``NAME_run_layers``, which gives every layer's checksum; ``make test`` then names the
        first layer that differs.
    fast : piecewise layers of many levels as integer products: fewer instructions, more flash and RAM.
    ram, flash : bytes that `NAME_ram` and the constant tables may take.
    vectors : images in the test program.
    web : also NAME.html, a page to draw on that runs the network as WebAssembly (needs the package ziglang).
    force : replace a folder that is not empty.

    Raises InputError in one line: a name that is no C identifier, a budget exceeded (with the layer that
    takes most), a folder in use.
    """
    _check_name(name)
    if vectors < 1:
        raise InputError(f"at least one vector is needed, not {vectors}")
    if web:
        from fermatnet.runtime.c.web import check_page, page  # needs a compiler

        check_page(net)
    source = make_source(net, name, checksums, fast)
    check_budget(source, ram, flash)
    with atomic_directory(out, force=force) as folder:
        if web:
            (folder / f"{name}.html").write_text(page(source), encoding="utf-8")
        return write_folder(source, folder, checksums, vectors)
