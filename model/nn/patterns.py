"""How a map of schemes is written: patterns over the names of modules, and a scheme as one word. Needs no
torch.

A pattern is a glob (``*`` stands for dots too, as in a shell's file names without folders); it covers a
module, and with it all that is inside. ``int8(4,4)`` is ``scheme("int8", weights=4, activations=4)``, a third
number is ``edge_bits``.
"""

import difflib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import accumulate

from fermatnet.model.errors import InputError

__all__ = ["check_patterns", "covers", "parse", "split"]

_SCHEME = re.compile(r"([A-Za-z][\w-]*)(?:\((\d+)(?:,(\d+))?(?:,(\d+))?\))?")


def parse(text: str) -> tuple[str, int | None, int | None, int | None]:
    """(name, weights, activations, edge_bits) of a scheme written as one word; None: not said."""
    found = _SCHEME.fullmatch(text.replace(" ", ""))
    if found is None:
        raise InputError(f"{text!r} is no scheme: write NAME, NAME(WEIGHTS,ACTIVATIONS), int8(4,4) say")
    name, *counts = found.groups()
    weights, activations, edge = (None if count is None else int(count) for count in counts)
    return name, weights, activations, edge


def split(entry: str) -> tuple[str, str]:
    """(pattern, scheme as one word) of ``PATTERN=SCHEME``."""
    pattern, equals, word = entry.rpartition("=")
    if not equals or not pattern or not word:
        raise InputError(f"a map of schemes is PATTERN=SCHEME, 'layer1.*=int8' for instance, not {entry!r}")
    return pattern.strip(), word.strip()


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern matches a module, or one that it is inside of."""
    parts = name.split(".")
    return any(fnmatchcase(outer, pattern) for outer in accumulate(parts, "{}.{}".format))


def check_patterns(patterns: Iterable[str], names: Iterable[str]) -> None:
    """InputError, with the nearest names, for a pattern that covers none of the layers ``names``."""
    known = list(dict.fromkeys(names))
    for pattern in patterns:
        if not any(covers(pattern, name) for name in known):
            near = _nearest(pattern, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:12])}"
            more = ", ..." if not near and len(known) > 12 else ""
            raise InputError(
                f"the pattern {pattern!r} of the scheme's map is no layer's with weights, and no "
                f"activation's: {hint}{more}"
            )


def _nearest(pattern: str, names: list[str]) -> list[str]:
    """Names that a pattern without its wildcards comes near, modules around layers among them."""
    plain = re.sub(r"[*?\[\]]+", "", pattern).strip(".")
    pairs = [(outer, name) for name in names for outer in accumulate(name.split("."), "{}.{}".format)]
    return difflib.get_close_matches(plain, dict(pairs), 3, 0.5)
