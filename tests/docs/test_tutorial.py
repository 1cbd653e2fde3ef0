"""Every line of the tutorial runs, in its order: as the notebook, which holds the same lines, where Jupyter
is installed, else as one program."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
INSTALL = "pip install"  # the environment is there already
JUPYTER = all(importlib.util.find_spec(name) for name in ("nbclient", "nbformat", "ipykernel"))


def script(page: str) -> str:
    """The page's blocks as one program; a block of the console becomes a call, a Python block itself."""
    lines = ["import subprocess, sys"]
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        assert language in ("python", "console"), f"a block of {language} is run by nobody"
        if language == "python":
            lines.append(block)
            continue
        for command in block.splitlines():
            assert command.startswith("$ "), f"{command!r} is no command"
            name, *words = shlex.split(command[2:])
            if not command[2:].startswith(INSTALL):
                assert name == "fermatnet", f"{name} is not ours to test"
                call = f"[sys.executable, '-P', '-m', 'fermatnet.cli', *{words}]"
                lines.append(f"subprocess.run({call}, check=True)")
    return "\n".join(lines)


@pytest.mark.skipif(JUPYTER, reason="the notebook runs the same lines")
def test_every_line_runs(tmp_path):
    program = script(PAGE.read_text()) + "\nassert accuracy > 0.9, accuracy\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine_hw" / "interface.json").is_file()


@pytest.mark.skipif(not JUPYTER, reason="running the notebook needs fermatnet[docs]")
def test_the_notebook_runs(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    book = nbformat.read(NOTEBOOK, 4)
    book.cells.append(nbformat.v4.new_code_cell("assert accuracy > 0.9, accuracy"))
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (info,) = [cell for cell in book.cells if cell.cell_type == "code" and cell.source.startswith("!")]
    printed = "".join(output.get("text", "") for output in info.outputs)
    assert "mine.onnx: image 1x8x8" in printed, printed  # a command that fails raises nothing in a notebook
    assert (tmp_path / "mine_hw" / "interface.json").is_file()


def test_the_notebook_is_the_page():
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "docs" / "tools" / "notebook.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert json.loads(NOTEBOOK.read_text()) == tool.notebook(PAGE.read_text()), "run make docs"
    assert NOTEBOOK.stat().st_size < 20_000


def test_a_wrong_line_is_noticed():
    page = "```python\nx = 1\n```\ntext\n```python\nassert x == 2\n```\n"
    done = subprocess.run([sys.executable, "-c", script(page)], capture_output=True, text=True, check=False)
    assert "AssertionError" in done.stderr
