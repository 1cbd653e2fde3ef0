"""The README's own example runs, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from fermatnet.model.network import load, run

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_the_python_example(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code + "\nprint(logits.sum())"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine_hw" / "interface.json").is_file()
    assert run(load(tmp_path / "mine.onnx"), np.zeros((1, 1, 8, 8), np.uint8)).shape == (1, 10)


def test_links():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_command_named_exists():
    from fermatnet.cli.main import cli

    for name in re.findall(r"^fermatnet (\w+)", TEXT, re.MULTILINE):
        assert name in cli.list_commands(None)
