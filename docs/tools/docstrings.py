"""A griffe extension: the project's short docstrings as mkdocstrings wants them.

The sources write one line a parameter, ``name : what it is``, two of them on a line where they are short,
and go on with a paragraph. numpy's style wants the description on a line of its own and reads everything up
to the next heading as parameters. So the list is rewritten, and the paragraph behind it goes before it.
"""

import inspect
import re
from collections.abc import Iterator

from griffe import Extension, Object

_LIST = re.compile(
    r"^(Parameters|Attributes|Members|Ports)\n-{3,}\n(.*?)(?=^\w[^\n]*\n-{3,}\n|\Z)", re.M | re.S
)
# the start of an entry: one name or several, a colon
_ENTRY = re.compile(r"^((?:\*{0,2}\w+)(?:, \*{0,2}\w+)*) ?: ?(.*)$")
_PLAIN = re.compile(r"^(Returns|Raises|Yields)\n-{3,}\n(.*?)(?=\n\n|\Z)\n*", re.M | re.S)
_CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
_SECOND = re.compile(r";\s{1,2}(?=(?:\w+)(?:, \w+)* : )|(?<=\.) (?=(?:\w+)(?:, \w+)*: [a-z0-9(])")


def _entries(block: str) -> Iterator[tuple[str, str]]:
    """(names, description) of each entry."""
    names, words = "", ""
    for entry in re.split(r"\n(?=\S)", block.strip()):
        for part in _SECOND.split(entry):
            first, _, rest = part.partition("\n")
            found = _ENTRY.match(first)
            if not found:
                words = f"{words} {' '.join(part.split())}"
                continue
            if names:
                yield names, words
            if rest.strip()[:1].isupper():  # numpy's own: the type, and the description on lines of its own
                names, words = f"{found[1]} : {found[2]}", " ".join(rest.split())
            else:
                names, words = found[1], " ".join([found[2], *rest.split()]).strip()
    if names:
        yield names, words


def _numpy(found: re.Match[str]) -> str:
    block, _, after = found[2].partition("\n\n")
    entries = list(_entries(block))
    if not entries:
        return found[0]
    title = "Parameters" if found[1] == "Parameters" else "Attributes"
    rows = "\n".join(f"{names}\n    {words}" for names, words in entries)
    paragraph = f"{after.strip()}\n\n" if after.strip() else ""
    return f"{paragraph}{title}\n{'-' * len(title)}\n{rows}\n\n"


def _sentence(found: re.Match[str]) -> str:
    """A section of one paragraph as a sentence."""
    names, _, words = found[2].strip().partition("\n    ")
    return (
        f"{found[1]} {names}{':' if words and found[1] == 'Raises' else ''} {' '.join(words.split())}".strip()
        + "\n\n"
    )


def _visible(text: str) -> str:
    """Stars that multiply are no emphasis; nothing is changed between backticks or in drawings."""
    lines = []
    for line in text.split("\n"):
        drawn = line.startswith("    ")
        parts = [line] if drawn else _CODE.split(line)  # text and code in turn
        shown = [part if n % 2 or drawn else part.replace("*", r"\*") for n, part in enumerate(parts)]
        lines.append("".join(shown))
    return "\n".join(lines)


def rewritten(text: str) -> str:
    """A docstring in numpy's style, to be rendered as Markdown."""
    return _LIST.sub(_numpy, _PLAIN.sub(_sentence, _visible(inspect.cleandoc(text))))


class ShortDocstrings(Extension):
    """What mkdocstrings loads."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        if obj.docstring is not None and not obj.is_alias:
            obj.docstring.value = rewritten(obj.docstring.value)
