"""Writes the tutorial's notebook from the tutorial's page, so that both hold the same lines.

    python docs/tools/notebook.py docs/tutorial.md docs/tutorial.ipynb

A block of Python becomes a cell; a command of the console becomes a cell that calls it; a block that installs
stays text, for whoever reads the notebook has done that.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
# for readers of the page: here the notebook is open already
_ELSEWHERE = "The same steps are also [a notebook](tutorial.ipynb).\n\n"
_HEADER = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def _code(language: str, block: str) -> str | None:
    if language == "python":
        return block.strip()
    commands = [line.removeprefix("$ ") for line in block.splitlines()]
    if any(command.startswith("pip ") for command in commands):
        return None
    return "\n".join(f"!{command}" for command in commands)


def _cell(kind: str, number: int, source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": lines}
    return cell if kind == "markdown" else cell | {"execution_count": None, "outputs": []}


def notebook(page: str) -> dict[str, Any]:
    """The page as a notebook (nbformat 4.5) without outputs."""
    page = page.replace(_ELSEWHERE, "")
    parts: list[tuple[str, str]] = []
    text, end = "", 0
    for found in _BLOCK.finditer(page):
        code = _code(found[1], found[2])
        text += page[end : found.start()] + ("" if code else found[0])
        end = found.end()
        if code:
            parts += [("markdown", text.strip()), ("code", code)]
            text = ""
    parts.append(("markdown", (text + page[end:]).strip()))
    cells = [_cell(kind, number, source) for number, (kind, source) in enumerate(parts) if source]
    return {"cells": cells, "metadata": _HEADER, "nbformat": 4, "nbformat_minor": 5}


if __name__ == "__main__":
    written = json.dumps(notebook(Path(sys.argv[1]).read_text()), indent=1, ensure_ascii=False)
    Path(sys.argv[2]).write_text(written + "\n")
