"""The generated C of a detector's host side: NAME.h, NAME.c with its tables, run.c and a Makefile."""

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from fermatnet.model.atomic import atomic_directory
from fermatnet.model.detect.host.decode import SHIFT
from fermatnet.model.detect.host.plan import FACTOR, Plan
from fermatnet.model.errors import InputError

__all__ = ["build", "write_program"]

_TEMPLATES = Path(__file__).parent / "templates"
_MAKEFILE = """CC ?= cc
CFLAGS ?= -O2
run: run.c {name}.c {name}.h
\t$(CC) -std=c99 -Wall -Wextra $(CFLAGS) -o $@ run.c {name}.c
"""


def _numbers(values: Iterable[int], columns: int = 16) -> str:
    """Integers between commas, so many a line."""
    words = [str(int(value)) for value in values]
    rows = [", ".join(words[at : at + columns]) for at in range(0, len(words), columns)]
    return ",\n    ".join(rows)


def _tables(plan: Plan) -> str:
    """Priors and exponentials as constant arrays."""
    rows = ",\n    ".join("{" + ", ".join(map(str, row)) + "}" for row in plan.priors.tolist())
    parts = [f"static const int32_t PRIOR[PRIORS][4] = {{\n    {rows}\n}};"]
    for number, one in enumerate(plan.maps):
        for kind, values in (("EXPONENTIALS", one.exponentials()), ("FACTORS", one.factors())):
            parts.append(f"static const int32_t {kind}{number}[] = {{\n    {_numbers(values)}\n}};")
    return "\n\n".join(parts)


def _shapes(plan: Plan) -> str:
    lines = []
    for number, one in enumerate(plan.maps):
        places = one.size[0] * one.size[1]
        fixed = f"{places}, {one.shapes}, {FACTOR + one.box_bits}, {one.box_range[0]}"
        lines.append(f"    {{{fixed}, EXPONENTIALS{number}, FACTORS{number}}}")
    return ",\n".join(lines)


def _values(plan: Plan, name: str) -> dict[str, str | int]:
    places = [(one.size[0] * one.size[1] * one.shapes, one) for one in plan.maps]
    sizes = [count * width for count, _ in places for width in (len(plan.labels) + 1, 4)]
    order = [word for one in plan.maps for word in (one.classes, one.boxes)]
    return {
        "name": name,
        "upper": name.upper(),
        "guard": f"{name.upper()}_H",
        "most": plan.rule.most,
        "labels": len(plan.labels),
        "maps": 2 * len(plan.maps),
        "stages": len(plan.maps),
        "order": ", ".join(order),
        "priors": len(plan.priors),
        "candidates": plan.rule.candidates,
        "least": plan.least,
        "overlap": plan.most_overlap,
        "unit": SHIFT,
        "tables": _tables(plan),
        "shapes": _shapes(plan),
        "sizes": ", ".join(map(str, sizes)),
        "total": sum(sizes),
    }


def write_program(plan: Plan, out: str | Path, *, name: str = "boxes", force: bool = False) -> None:
    """Writes the folder ``out``, whole or not at all; ``make -C out`` builds out/run.

    name : of the files and of the public symbols, a C identifier.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or name in ("run", "main", "int", "for", "if"):
        raise InputError(f"the name {name!r} is no C identifier of small letters, such as boxes")
    values = _values(plan, name)
    with atomic_directory(out, force=force) as folder:
        for source, target in (("boxes.h", f"{name}.h"), ("boxes.c", f"{name}.c"), ("run.c", "run.c")):
            text = (_TEMPLATES / f"{source}.txt").read_text()
            (folder / target).write_text(Template(text).substitute(values))
        (folder / "Makefile").write_text(_MAKEFILE.format(name=name))


@contextmanager
def build(plan: Plan) -> Iterator[Path]:
    """The program that reads maps and prints boxes, compiled with ``make`` and ``cc`` in a folder of its own
    that goes afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "host"
        write_program(plan, folder)
        subprocess.run(["make", "-s", "-C", folder], check=True, capture_output=True)
        yield folder / "run"
